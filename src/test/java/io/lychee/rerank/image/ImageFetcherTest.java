package io.lychee.rerank.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.prompt.PromptGolden;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.hc.client5.http.SystemDefaultDnsResolver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** References to bytes, from a server on the loopback address and from folders. */
final class ImageFetcherTest {

    private final AtomicInteger requests = new AtomicInteger();
    private final CountDownLatch release = new CountDownLatch(1);
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private HttpServer server;
    private String base;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        base = "http://127.0.0.1:" + server.getAddress().getPort();
        server.createContext("/", this::answer);
        server.start();
    }

    @AfterEach
    void stop() {
        release.countDown();
        server.stop(0);
        threads.shutdownNow();
    }

    private void answer(HttpExchange exchange) throws IOException {
        int request = requests.incrementAndGet();
        String path = exchange.getRequestURI().getPath();
        switch (path) {
            case "/image" -> send(exchange, 200, "picture");
            case "/agent" ->
                send(exchange, 200, String.valueOf(exchange.getRequestHeaders().getFirst("Cookie")));
            case "/flaky" -> send(exchange, request < 3 ? 503 : 200, "at last");
            case "/broken" -> send(exchange, 500, "no");
            case "/hop1", "/hop2", "/hop3", "/hop4" -> {
                int hop = path.charAt(4) - '0';
                redirect(exchange, hop == 1 ? "/image" : "hop" + (hop - 1));
            }
            case "/to-file" -> redirect(exchange, "file:///etc/hostname");
            case "/to-user" -> redirect(exchange, "http://user:secret@127.0.0.1/");
            case "/large" -> send(exchange, 200, "x".repeat(5000));
            case "/endless" -> {
                exchange.sendResponseHeaders(200, 0);
                try (OutputStream out = exchange.getResponseBody()) {
                    for (int i = 0; i < 1_000_000; i++) {
                        out.write(new byte[1000]);
                    }
                }
            }
            case "/hang" -> {
                try {
                    release.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                exchange.close();
            }
            case "/reset" -> exchange.close();
            default -> send(exchange, 404, "none");
        }
    }

    private static void send(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.US_ASCII);
        exchange.getResponseHeaders().add("Set-Cookie", "a=b");
        exchange.sendResponseHeaders(status, bytes.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(bytes);
        }
    }

    private static void redirect(HttpExchange exchange, String location) throws IOException {
        exchange.getResponseHeaders().add("Location", location);
        exchange.sendResponseHeaders(302, -1);
        exchange.close();
    }

    @Test
    void bytesComeInOrder() {
        try (ImageFetcher fetching = open()) {
            Content content = new Content(
                    null,
                    List.of(
                            new Image.Reference(base + "/image"),
                            new Image.Bytes(new byte[] {1, 2}),
                            new Image.Reference("HTTP" + base.substring(4) + "/agent")));
            List<byte[]> bytes = fetching.fetch(content).join();
            assertThat(bytes).hasSize(3);
            assertThat(bytes.get(0)).asString().isEqualTo("picture");
            assertThat(bytes.get(1)).containsExactly(1, 2);
            assertThat(bytes.get(2)).asString().as("no cookie is kept").isEqualTo("null");
            assertThat(fetching.fetch(new Content("text", List.of())).join()).isEmpty();
        }
    }

    @Test
    void failuresOnTheWayAreTriedAgainAndAnswersAreNot() {
        try (ImageFetcher fetching = open()) {
            assertThat(one(fetching, base + "/flaky")).isEqualTo("at last");
            assertThat(requests).hasValue(3);
            assertRejected(
                    fetching, base + "/broken", Reason.IMAGE_NOT_FOUND, "answered 500 (tried 3 times, fetch.tries)");
            assertThat(requests).hasValue(6);
            assertRejected(fetching, base + "/absent", Reason.IMAGE_NOT_FOUND, "answered 404");
            assertThat(requests).hasValue(7);
            assertRejected(fetching, base + "/reset", Reason.IMAGE_NOT_FOUND, "tried 3 times");
        }
        int port = server.getAddress().getPort();
        server.stop(0);
        try (ImageFetcher fetching = open()) {
            assertRejected(fetching, "http://127.0.0.1:" + port + "/", Reason.IMAGE_NOT_FOUND, "tried 3 times");
        }
    }

    @Test
    void redirectsAreFollowedThreeTimesAndCheckedEachTime() {
        try (ImageFetcher fetching = open()) {
            assertThat(one(fetching, base + "/hop3")).isEqualTo("picture");
            assertRejected(fetching, base + "/hop4", Reason.IMAGE_NOT_FOUND, "redirects more than 3 times");
            assertRejected(fetching, base + "/to-file", Reason.IMAGE_FORBIDDEN, "scheme file");
            assertRejected(fetching, base + "/to-user", Reason.IMAGE_FORBIDDEN, "user name");
        }
    }

    @Test
    void tooManyBytesStopTheStream() {
        try (ImageFetcher fetching = open("image.max-bytes", "4096 bytes")) {
            assertRejected(
                    fetching, base + "/large", Reason.IMAGE_TOO_LARGE, "has 5000 bytes; image.max-bytes is 4096");
            assertRejected(fetching, base + "/endless", Reason.IMAGE_TOO_LARGE, "more than 4096 bytes");
            var large = new Content(null, List.of(new Image.Bytes(new byte[4097])));
            assertThatThrownBy(() -> fetching.fetch(large).join()).hasMessageContaining("image.max-bytes");
        }
    }

    @Test
    void aServerThatHangsIsGivenUp() {
        try (ImageFetcher fetching = open("fetch.timeout", "300 ms")) {
            assertRejected(fetching, base + "/hang", Reason.IMAGE_NOT_FOUND, "fetch.timeout");
        }
    }

    @Test
    void addressesThatAreNotPublicAreRefused() {
        try (ImageFetcher fetching = open("fetch.allow-private-addresses", "false")) {
            assertRejected(fetching, base + "/image", Reason.IMAGE_FORBIDDEN, "fetch.allow-private-addresses");
            String port = base.substring(base.lastIndexOf(':'));
            assertRejected(fetching, "http://localhost" + port + "/image", Reason.IMAGE_FORBIDDEN, "no public address");
            assertRejected(fetching, "http://[::1]" + port + "/image", Reason.IMAGE_FORBIDDEN, "no public address");
            assertRejected(fetching, "http://2130706433" + port + "/image", Reason.IMAGE_FORBIDDEN, "");
        }
        assertThat(requests).as("nothing was connected to").hasValue(0);
    }

    @Test
    void otherReferencesAreRefused() {
        try (ImageFetcher fetching = open()) {
            for (String uri : List.of("ftp://127.0.0.1/a", "jar:file:/a", "image.png", "", "gopher:")) {
                assertRejected(fetching, uri, Reason.IMAGE_FORBIDDEN, "expected file:PATH, http: or https:");
            }
            assertRejected(fetching, "data:;base64", Reason.IMAGE_UNREADABLE, "no data: URI");
            assertRejected(fetching, "http:///image", Reason.IMAGE_NOT_FOUND, "");
            assertRejected(fetching, "http://a b/", Reason.IMAGE_NOT_FOUND, "no valid address");
            assertRejected(fetching, "http://me@127.0.0.1/", Reason.IMAGE_FORBIDDEN, "user name");
        }
        assertThat(requests).hasValue(0);
    }

    @Test
    void tooManyImagesAreNotFetched() {
        try (ImageFetcher fetching = open("image.max-per-candidate", "2")) {
            Image image = new Image.Reference(base + "/image");
            assertThatThrownBy(() -> fetching.fetch(new Content(null, List.of(image, image, image)))
                            .join())
                    .hasMessageContaining("there are 3 images; image.max-per-candidate is 2");
        }
        assertThat(requests).hasValue(0);
    }

    @Test
    void filesLieUnderARootByNameAndInTruth(@TempDir Path folder) throws IOException {
        Path first = Files.createDirectory(folder.resolve("first"));
        Path second = Files.createDirectory(folder.resolve("second"));
        Files.writeString(folder.resolve("secret"), "secret");
        Files.writeString(first.resolve("a%20b.txt"), "in first");
        Files.writeString(second.resolve("c.txt"), "in second");
        Files.createSymbolicLink(first.resolve("out"), folder.resolve("secret"));
        Files.createSymbolicLink(first.resolve("across"), second.resolve("c.txt"));
        try (ImageFetcher fetching = open("image.roots", first + ";" + second)) {
            assertThat(one(fetching, "file:a%20b.txt")).isEqualTo("in first");
            assertThat(one(fetching, "file:../first/./a%20b.txt")).isEqualTo("in first");
            assertThat(one(fetching, "file:" + second.resolve("c.txt"))).isEqualTo("in second");
            assertThat(one(fetching, "file://" + second.resolve("c.txt"))).isEqualTo("in second");
            assertThat(one(fetching, "file:across")).isEqualTo("in second");
            for (String outside :
                    List.of("file:../secret", "file:out", "file:/etc/hostname", "file:../none", "file:../first2/x")) {
                assertRejected(fetching, outside, Reason.IMAGE_FORBIDDEN, "outside the folders of image.roots");
            }
            assertRejected(fetching, "file:a b.txt", Reason.IMAGE_NOT_FOUND, "does not exist");
            assertRejected(fetching, "file:", Reason.IMAGE_NOT_FOUND, "is no file");
            assertRejected(fetching, "file:a\0b", Reason.IMAGE_NOT_FOUND, "no valid path");
        }
        try (ImageFetcher fetching = open("image.roots", first.toString(), "image.max-bytes", "1024 bytes")) {
            Files.write(first.resolve("large"), new byte[1025]);
            assertRejected(fetching, "file:large", Reason.IMAGE_TOO_LARGE, "1025 bytes; image.max-bytes is 1024");
        }
        try (ImageFetcher fetching = open()) {
            assertRejected(fetching, "file:a", Reason.IMAGE_FORBIDDEN, "image.roots names no folder");
        }
    }

    private static ImageFetcher open(String... overrides) {
        List<String> all = new ArrayList<>(List.of("image.roots", "", "fetch.allow-private-addresses", "true"));
        all.addAll(List.of(overrides));
        RerankConfig config = PromptGolden.config(all.toArray(String[]::new));
        return new ImageFetcher(config.fetch(), config.limits(), SystemDefaultDnsResolver.INSTANCE);
    }

    static String one(ImageFetcher fetching, String uri) {
        List<byte[]> bytes = fetching.fetch(new Content(null, List.of(new Image.Reference(uri))))
                .join();
        return new String(bytes.get(0), StandardCharsets.US_ASCII);
    }

    static void assertRejected(ImageFetcher fetching, String uri, Reason reason, String detail) {
        Content content = new Content(null, List.of(new Image.Reference(uri)));
        assertThatThrownBy(() -> fetching.fetch(content).join())
                .as(uri)
                .isInstanceOf(CompletionException.class)
                .hasMessageContaining(detail)
                .cause()
                .isInstanceOfSatisfying(
                        RejectedException.class, e -> assertThat(e.reason()).isEqualTo(reason));
    }
}
