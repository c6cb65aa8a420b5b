package io.lychee.rerank.image;

import static io.lychee.rerank.image.ImageFetcherTest.assertRejected;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.prompt.PromptGolden;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.IDN;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.hc.client5.http.DnsResolver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Addresses as people write them, and the bytes that a server then reads. */
@Timeout(300)
final class WebAddressTest {

    /** What stands in a path or query, and what a server must see of it there. */
    private record Piece(String written, String inPath, String inQuery) {}

    private static final List<Piece> PIECES = List.of(
            same("a"),
            same("Z9"),
            same("-_~!$&()*+,;=:@"),
            same("%41"),
            same("%e5%9B"),
            same("%"),
            same("%zz"),
            both(" ", "%20"),
            both("\"", "%22"),
            both("<", "%3C"),
            both(">", "%3E"),
            both("^", "%5E"),
            both("`", "%60"),
            both("{", "%7B"),
            both("|", "%7C"),
            both("}", "%7D"),
            both("[", "%5B"),
            both("]", "%5D"),
            both("ß", "%C3%9F"),
            both("图片", "%E5%9B%BE%E7%89%87"),
            both("👟", "%F0%9F%91%9F"),
            both("\u00a0", "%C2%A0"),
            both("\u0001", "%01"),
            both("\u007f", "%7F"),
            both("\t", ""),
            both("\r\n", ""),
            new Piece("'", "'", "%27"),
            new Piece("\\", "/", "%5C"),
            new Piece("/", "/", "/"));

    private static Piece same(String text) {
        return new Piece(text, text, text);
    }

    private static Piece both(String written, String seen) {
        return new Piece(written, seen, seen);
    }

    private final BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    private final BlockingQueue<String> lookups = new LinkedBlockingQueue<>();
    private volatile String location = "";
    private ServerSocket server;
    private ImageFetcher fetching;

    @BeforeEach
    void start() throws IOException {
        server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        Thread thread = new Thread(this::serve);
        thread.setDaemon(true);
        thread.start();
        RerankConfig config = PromptGolden.config("fetch.allow-private-addresses", "true");
        fetching = new ImageFetcher(config.fetch(), config.limits(), new DnsResolver() {
            @Override
            public InetAddress[] resolve(String host) {
                lookups.add(host);
                return new InetAddress[] {InetAddress.getLoopbackAddress()};
            }

            @Override
            public String resolveCanonicalHostname(String host) {
                return host;
            }
        });
    }

    @AfterEach
    void stop() throws IOException {
        fetching.close();
        server.close();
    }

    /** Answers {@code /to-location} with a redirect, everything else with a word. */
    private void serve() {
        while (!server.isClosed()) {
            try (Socket socket = server.accept()) {
                BufferedReader in =
                        new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
                String line = in.readLine();
                String host = "";
                for (String header = in.readLine(); header != null && !header.isEmpty(); header = in.readLine()) {
                    host = header.startsWith("Host: ") ? header.substring(6) : host;
                }
                boolean redirects = line.equals("GET /to/location HTTP/1.1");
                if (!redirects) {
                    seen.add(host + " " + line);
                }
                String answer = redirects
                        ? "HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 0\r\n"
                        : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
                socket.getOutputStream()
                        .write((answer + "Connection: close\r\n\r\n" + (redirects ? "" : "ok"))
                                .getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                // the test is over
            }
        }
    }

    private String base() {
        return "http://127.0.0.1:" + server.getLocalPort();
    }

    private void assertSeen(String address, String target) throws InterruptedException {
        var bytes = fetching.fetch(new Content(null, List.of(new Image.Reference(address))));
        assertThat(bytes).as(address).succeedsWithin(20, TimeUnit.SECONDS);
        assertThat(seen.poll(20, TimeUnit.SECONDS))
                .as(address)
                .isEqualTo(base().substring(7) + " GET " + target + " HTTP/1.1");
    }

    private void assertSeenThroughRedirect(String to, String target) throws InterruptedException {
        location = to;
        assertSeen(base() + "/to/location", target);
    }

    @ParameterizedTest
    @CsvSource(delimiter = ' ', textBlock = """
            '' /
            '/' /
            '/a b.jpg' /a%20b.jpg
            '/a.jpg?w=1|2' /a.jpg?w=1%7C2
            '/a[1].jpg?x[]=2' /a%5B1%5D.jpg?x%5B%5D=2
            '/a^{b}.jpg' /a%5E%7Bb%7D.jpg
            '/100%.jpg' /100%.jpg
            '/图片.jpg' /%E5%9B%BE%E7%89%87.jpg
            '/größe.jpg?q=ä' /gr%C3%B6%C3%9Fe.jpg?q=%C3%A4
            '/a/./b/../c' /a/c
            '/a/%2E%2e/c/%2e' /c/
            '/../../a' /a
            '\\a\\b' /a/b
            '//a//b' //a//b
            '/a?b?c/../d' /a?b?c/../d
            '?a' /?a
            '/a?' /a?
            '/a#b?c' /a
            '/a;b=c,d:e@f' /a;b=c,d:e@f
            """)
    void pathsAndQueries(String written, String target) throws InterruptedException {
        assertSeen(base() + written, target);
        assertSeen(" \n" + base().replace("http", "HTTP") + written + "\t ", target);
        assertSeenThroughRedirect(base() + written, target);
    }

    @ParameterizedTest
    @CsvSource(delimiter = ' ', textBlock = """
            '/a b.jpg' /a%20b.jpg
            'b c.jpg?d|e' /to/b%20c.jpg?d%7Ce
            '/图片.jpg' /%E5%9B%BE%E7%89%87.jpg
            'http:x' /to/x
            '../x' /x
            '..' /
            '.' /to/
            '\\x' /x
            '?q=1' /to/location?q=1
            'x#y' /to/x
            """)
    void relativeRedirects(String to, String target) throws InterruptedException {
        assertSeenThroughRedirect(to, target);
        assertSeenThroughRedirect("//127.0.0.1:" + server.getLocalPort() + "/x", "/x");
    }

    @ParameterizedTest
    @CsvSource({
        "my_img.localhost,my_img.localhost",
        "-a-.example,-a-.example",
        "Ex%41mple.com,example.com",
        "BÜCHER.example,xn--bcher-kva.example",
        "商品。例え,xn--jvrxl.xn--r8jz45g",
        "ｅｘａｍｐｌｅ．com,example.com",
        "example.com.,example.com.",
        "0x7f.1,127.0.0.1",
        "2130706433,127.0.0.1",
        "127.1,127.0.0.1",
        "0177.0.0.0x1,127.0.0.1",
        "017700000001,127.0.0.1",
        "127.0.0.1.,127.0.0.1",
        "１２７。０。０。１,127.0.0.1",
        "①.1,1.0.0.1",
        "0,0.0.0.0",
        "0x,0.0.0.0",
        "256,0.0.1.0",
        "[::1],[::1]",
        "[::FFFF:10.0.0.1],[::ffff:10.0.0.1]"
    })
    void hosts(String written, String lookedUp) throws InterruptedException {
        var bytes = fetching.fetch(new Content(
                null, List.of(new Image.Reference("http:\\" + written + ":" + server.getLocalPort() + "/x"))));
        assertThat(bytes).as(written).succeedsWithin(20, TimeUnit.SECONDS);
        // the client decodes what it hands to a resolver, which encodes it again
        assertThat(IDN.toASCII(lookups.take())).isEqualTo(lookedUp);
        assertThat(seen.take()).isEqualTo(lookedUp + ":" + server.getLocalPort() + " GET /x HTTP/1.1");
    }

    /** Other readers take these for another host, or for none. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "straße.example",
                "STRAẞE.example",
                "βόλος.example",
                "a\u200db.example",
                "a\u200cb.example",
                "so\u00adft.example",
                "a\u2100b.example",
                "a b",
                "a%20b",
                "a%2Fb",
                "a^b",
                "a|b",
                "a<b",
                "256.1.1.1",
                "1.2.3.256",
                "1.2.3.4.5",
                "1..2",
                "09",
                "0xg.0x",
                "4294967296",
                "99999999999999999999999999",
                "[::1%25eth0]",
                "[::1%eth0]",
                "[fe80::1",
                "[1.2.3.4]",
                "[:]",
                "[::1]x",
                "[]",
                "a:b",
                "a:65536",
                "a:-1",
                "a:1:2",
                "ａ／ｂ",
                ":80"
            })
    void hostsThatAreNone(String written) {
        assertRejected(fetching, "http://" + written + "/x", Reason.IMAGE_NOT_FOUND, "");
        location = "//" + written + "/x";
        assertRejected(fetching, base() + "/to/location", Reason.IMAGE_NOT_FOUND, "redirects to what ");
        lookups.removeIf("127.0.0.1"::equals);
        assertThat(lookups).isEmpty();
        assertThat(seen).isEmpty();
    }

    @Test
    void namesAndPasswordsAndOtherSchemesAreRefused() {
        for (String address : List.of("http://a@b/", "http://a:b@c/", "http://@a/", "https:\\\\a@b")) {
            assertRejected(fetching, address, Reason.IMAGE_FORBIDDEN, "carries a user name");
        }
        location = "javascript:alert(1)";
        assertRejected(fetching, base() + "/to/location", Reason.IMAGE_FORBIDDEN, "scheme javascript");
    }

    @Test
    void portsAreNumbersAndTheSchemesOwnIsNone() throws RejectedException {
        for (Map.Entry<String, Integer> port : Map.of(
                        "http://a:80", -1, "https://a:443/", -1, "https://a:080", 80, "http://a:", -1, "http://a:0", 0)
                .entrySet()) {
            assertThat(WebAddress.parse(port.getKey(), null).port())
                    .as(port.getKey())
                    .isEqualTo(port.getValue());
        }
        assertThatThrownBy(() -> WebAddress.parse("/a", null)).hasMessageContaining("scheme none");
    }

    @Test
    void someMixturesOfPieces() throws InterruptedException {
        mix(new Random().nextLong(), 200);
    }

    @Test
    @Tag("full")
    void manyMixturesOfPieces() throws InterruptedException {
        mix(new Random().nextLong(), 20_000);
    }

    private void mix(long seed, int rounds) throws InterruptedException {
        System.out.println("WebAddressTest seed " + seed);
        Random random = new Random(seed);
        for (int round = 0; round < rounds; round++) {
            StringBuilder written = new StringBuilder("/x");
            StringBuilder target = new StringBuilder("/x");
            for (int i = random.nextInt(8); i > 0; i--) {
                Piece piece = PIECES.get(random.nextInt(PIECES.size()));
                written.append(piece.written());
                target.append(piece.inPath());
            }
            if (random.nextBoolean()) {
                written.append('?');
                target.append('?');
                for (int i = random.nextInt(8); i > 0; i--) {
                    Piece piece = PIECES.get(random.nextInt(PIECES.size()));
                    written.append(piece.written());
                    target.append(piece.inQuery());
                }
            }
            written.append('z');
            target.append('z');
            if (random.nextBoolean()) {
                assertSeen(base() + written, target.toString());
            } else {
                // a header has no line breaks, nor control characters that a client must refuse
                String to = written.toString().replaceAll("[\r\n]", "");
                assertSeenThroughRedirect(random.nextBoolean() ? to : base() + to, target.toString());
            }
        }
    }
}
