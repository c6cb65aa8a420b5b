package io.lychee.rerank.gateway;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Bytes to a gateway that no well-behaved client would send. */
final class Raw {

    private Raw() {}

    static Socket open(int port, String bytes) throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
        socket.getOutputStream().write(bytes.getBytes(StandardCharsets.ISO_8859_1));
        socket.getOutputStream().flush();
        return socket;
    }

    /** @return of the first answer; -1 when the gateway hangs up without one */
    static int status(Socket socket) throws IOException {
        socket.setSoTimeout(60_000);
        String line = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1))
                .readLine();
        return line == null ? -1 : Integer.parseInt(line.split(" ", 3)[1]);
    }

    static int status(int port, String bytes) throws IOException {
        try (Socket socket = open(port, bytes)) {
            return status(socket);
        }
    }
}
