package io.lychee.rerank.image;

import static io.lychee.rerank.image.ImageFetcherTest.assertRejected;
import static io.lychee.rerank.image.ImageFetcherTest.one;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.prompt.PromptGolden;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPOutputStream;
import org.apache.hc.client5.http.DnsResolver;
import org.apache.hc.client5.http.SystemDefaultDnsResolver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A server on the loopback address that breaks the protocol's promises. */
@Timeout(60)
final class HostileServerTest {

    private final List<String> asked = new CopyOnWriteArrayList<>();
    private ServerSocket server;
    private String base;

    private interface Answer {
        void to(OutputStream out) throws IOException, InterruptedException;
    }

    private volatile Answer answer;
    private final CountDownLatch over = new CountDownLatch(1);

    @BeforeEach
    void start() throws IOException {
        server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        base = "http://127.0.0.1:" + server.getLocalPort() + "/";
        Thread thread = new Thread(this::serve);
        thread.setDaemon(true);
        thread.start();
    }

    @AfterEach
    void stop() throws IOException {
        over.countDown();
        server.close();
    }

    private void serve() {
        while (!server.isClosed()) {
            try (Socket socket = server.accept()) {
                StringBuilder request = new StringBuilder();
                while (request.indexOf("\r\n\r\n") < 0) {
                    request.append((char) socket.getInputStream().read());
                }
                asked.add(request.toString());
                answer.to(socket.getOutputStream());
            } catch (IOException e) {
                // the client has gone, or the test is over
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    @Test
    void drippingBytesEndWithTheTimeForAll() {
        answer = out -> {
            out.write(bytes("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"));
            while (!over.await(5, TimeUnit.MILLISECONDS)) {
                out.write('x');
                out.flush();
            }
        };
        try (ImageFetcher fetching = open(SystemDefaultDnsResolver.INSTANCE, "fetch.timeout", "400 ms")) {
            assertRejected(fetching, base, Reason.IMAGE_NOT_FOUND, "fetch.timeout");
        }
    }

    @Test
    void aLengthThatIsALieIsNoPicture() {
        answer = out -> out.write(bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"));
        try (ImageFetcher fetching = open(SystemDefaultDnsResolver.INSTANCE, "fetch.tries", "2")) {
            assertRejected(fetching, base, Reason.IMAGE_NOT_FOUND, "tried 2 times");
            answer = out -> out.write(bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nlong"));
            assertThat(one(fetching, base)).isEqualTo("lo");
            answer = out -> out.write(bytes("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"));
            assertRejected(fetching, base, Reason.IMAGE_TOO_LARGE, "has 99999999999 bytes");
            answer = out -> out.write(bytes("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx"));
            assertRejected(fetching, base, Reason.IMAGE_NOT_FOUND, "");
        }
    }

    @Test
    void headersHaveAnEnd() {
        for (String header : List.of("x".repeat(20_000) + "\r\n", "A: b\r\n".repeat(200))) {
            answer = out -> {
                out.write(bytes("HTTP/1.1 200 OK\r\n"));
                while (true) {
                    out.write(bytes(header));
                }
            };
            try (ImageFetcher fetching = open(SystemDefaultDnsResolver.INSTANCE, "fetch.tries", "1")) {
                assertRejected(fetching, base, Reason.IMAGE_NOT_FOUND, "exceeded");
            }
        }
    }

    @Test
    void nothingIsInflated() throws IOException {
        ByteArrayOutputStream bomb = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(bomb)) {
            gzip.write(new byte[20_000_000]);
        }
        answer = out -> {
            out.write(
                    bytes("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + bomb.size() + "\r\n\r\n"));
            out.write(bomb.toByteArray());
        };
        try (ImageFetcher fetching = open(SystemDefaultDnsResolver.INSTANCE)) {
            assertThat(one(fetching, base)).hasSize(bomb.size());
        }
        assertThat(asked.get(0)).doesNotContainIgnoringCase("accept-encoding");
    }

    @Test
    void aProxyOfJavasPropertiesIsNotUsed() {
        answer = out -> out.write(bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"));
        Map<String, String> proxy = Map.of(
                "socksProxyHost",
                "127.0.0.1",
                "socksProxyPort",
                "1",
                "socksNonProxyHosts",
                "none.example",
                "http.proxyHost",
                "127.0.0.1",
                "http.proxyPort",
                "1",
                "http.nonProxyHosts",
                "none.example");
        proxy.forEach(System::setProperty);
        try (ImageFetcher fetching = open(SystemDefaultDnsResolver.INSTANCE, "fetch.tries", "1")) {
            assertThat(one(fetching, base)).isEqualTo("ok");
        } finally {
            proxy.keySet().forEach(System::clearProperty);
        }
    }

    @Test
    void aRedirectIsResolvedAndCheckedLikeTheFirstAddress() throws IOException {
        answer = out -> out.write(bytes("HTTP/1.1 302 Found\r\nLocation: http://inside.example:" + server.getLocalPort()
                + "/secret\r\nContent-Length: 0\r\n\r\n"));
        // stands for a policy that lets the first host pass and not the second
        DnsResolver resolver = resolver(host -> {
            if (host.equals("inside.example")) {
                throw new PublicAddresses.ForbiddenException(host);
            }
            return "127.0.0.1";
        });
        try (ImageFetcher fetching = open(resolver)) {
            assertRejected(
                    fetching,
                    "http://outside.example:" + server.getLocalPort() + "/",
                    Reason.IMAGE_FORBIDDEN,
                    "inside.example");
        }
        assertThat(asked).hasSize(1);
    }

    @Test
    void whatIsCheckedIsWhatIsConnectedTo() throws IOException {
        answer = out -> out.write(bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"));
        List<String> lookups = new ArrayList<>();
        try (ImageFetcher fetching = open(resolver(host -> {
            lookups.add(host);
            return "127.0.0.1";
        }))) {
            assertThat(one(fetching, "http://flips.example:" + server.getLocalPort() + "/"))
                    .isEqualTo("ok");
        }
        assertThat(lookups).as("one answer, checked and used").hasSize(1);

        Iterator<String> answers = List.of("1.1.1.1", "127.0.0.1").iterator();
        PublicAddresses addresses = new PublicAddresses(resolver(host -> answers.next()), false);
        assertThat(addresses.resolve("flips.example")).hasSize(1);
        assertThatThrownBy(() -> addresses.resolve("flips.example"))
                .isInstanceOf(PublicAddresses.ForbiddenException.class);
    }

    private interface Lookup {
        String of(String host) throws UnknownHostException;
    }

    private static DnsResolver resolver(Lookup lookup) {
        return new DnsResolver() {
            @Override
            public InetAddress[] resolve(String host) throws UnknownHostException {
                return new InetAddress[] {InetAddress.getByName(lookup.of(host))};
            }

            @Override
            public String resolveCanonicalHostname(String host) {
                return host;
            }
        };
    }

    private static ImageFetcher open(DnsResolver resolver, String... overrides) {
        List<String> all = new ArrayList<>(List.of("fetch.allow-private-addresses", "true"));
        all.addAll(List.of(overrides));
        RerankConfig config = PromptGolden.config(all.toArray(String[]::new));
        return new ImageFetcher(config.fetch(), config.limits(), resolver);
    }
}
