package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code up} with a heap of 1 GB under good and bad requests: every good one is answered, and memory stays flat. */
@Tag("soak")
@Timeout(3600)
class UpSoakTest {

    private static final Duration LENGTH = Duration.ofMinutes(Integer.getInteger("soak.minutes", 20));
    /** What the last quarter may take more than the second. */
    private static final double SLACK = 1.1;

    private static final int BAD_PART = 3;

    @TempDir
    private Path folder;

    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @Test
    void memoryStaysFlat() throws Exception {
        long seed = System.nanoTime();
        System.out.println("UpSoakTest of " + LENGTH + ", seed " + seed);
        Random random = new Random(seed);
        List<Path> pictures = pictures();
        List<Long> resident = new ArrayList<>();
        int good = 0;
        int bad = 0;
        try (Up up = Up.start(folder.resolve("up.log"))) {
            int port = URI.create(up.url()).getPort();
            long start = System.nanoTime();
            long quarter = LENGTH.toNanos() / 4;
            long nextSample = 0;
            while (System.nanoTime() - start < LENGTH.toNanos()) {
                if (random.nextInt(BAD_PART) == 0) {
                    bad(port, random);
                    bad++;
                } else {
                    HttpResponse<String> answer = rerank(port, body(random, pictures));
                    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
                    good++;
                }
                if (System.nanoTime() - start > nextSample) {
                    nextSample += quarter / 5;
                    resident.add(residentKilobytes(up.process().process().pid()));
                    System.out.printf(
                            "%d s: %d good, %d bad, %d MB resident%n",
                            TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start),
                            good,
                            bad,
                            resident.get(resident.size() - 1) / 1024);
                }
            }
            assertThat(rerank(port, body(random, pictures)).statusCode()).isEqualTo(200);
        }
        int samples = resident.size();
        assertThat(max(resident.subList(3 * samples / 4, samples)))
                .isLessThanOrEqualTo((long) (SLACK * max(resident.subList(samples / 4, samples / 2))));
    }

    private static long max(List<Long> samples) {
        return samples.stream().mapToLong(Long::longValue).max().orElseThrow();
    }

    /** Of all kinds, the damaged ones too: a request with these is good, the candidate is rejected. */
    private static List<Path> pictures() throws IOException {
        try (var files = Files.list(Path.of("src/test/resources/images"))) {
            return files.filter(file -> file.toString().matches(".*\\.(jpg|png|gif|webp|bmp)"))
                    .sorted()
                    .toList();
        }
    }

    /** A picture and texts that no cache has seen. */
    private static String body(Random random, List<Path> pictures) throws IOException {
        String picture =
                Base64.getEncoder().encodeToString(Files.readAllBytes(pictures.get(random.nextInt(pictures.size()))));
        return "{\"query\":\"hat %d\",\"documents\":[\"mug %d\",{\"image\":\"data:image/png;base64,%s\"}]}"
                .formatted(random.nextInt(), random.nextInt(), picture);
    }

    private HttpResponse<String> rerank(int port, String body) throws Exception {
        return client.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/v1/rerank"))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private void bad(int port, Random random) throws Exception {
        switch (random.nextInt(5)) {
            case 0 -> assertThat(rerank(port, "{\"query\":").statusCode()).isEqualTo(400);
            case 1 ->
                assertThat(rerank(port, "{\"query\":\"a\",\"documents\":[\"a\"],\"x\":" + "[".repeat(10_000))
                                .statusCode())
                        .isEqualTo(400);
            case 2 ->
                assertThat(rerank(port, "[" + "{},".repeat(1_000_000) + "0]").statusCode())
                        .isBetween(400, 499);
            case 3 -> raw(port, "POST /v1/rerank HTTP/1.1\r\nHost: evil\r\nContent-Length: 2\r\n\r\n{}", true);
            default ->
                raw(
                        port,
                        "POST /v1/rerank HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9000000\r\n\r\n{\"query\":\"%s"
                                .formatted(port, "a".repeat(1_000_000)),
                        false);
        }
    }

    /** Sends bytes and hangs up, after the answer or before. */
    private static void raw(int port, String bytes, boolean answered) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.getOutputStream().write(bytes.getBytes(StandardCharsets.US_ASCII));
            if (answered) {
                assertThat(new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII))
                        .startsWith("HTTP/1.1 4");
            }
        }
    }

    private static long residentKilobytes(long pid) throws IOException {
        return Files.readAllLines(Path.of("/proc/" + pid + "/status")).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .findFirst()
                .orElseThrow();
    }
}
