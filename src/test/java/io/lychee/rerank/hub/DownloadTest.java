package io.lychee.rerank.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Downloads over connections that break, from servers that change, err or lie. */
@Timeout(60)
class DownloadTest extends HuggingFaceFixture {

    @Test
    void aCutConnectionContinuesWhereItEnded() {
        int size = hub.files.get(TestHub.FIRST).length;
        hub.next(TestHub.FIRST, hub.cut(TestHub.FIRST, 300_000)).next(TestHub.FIRST, hub.cut(TestHub.FIRST, 1));
        models().pull(MODEL);

        assertThat(hub.requests(TestHub.FIRST))
                .filteredOn(TestHub.Request::cdn)
                .extracting(TestHub.Request::range)
                .containsExactly("bytes=0-" + (size - 1), "bytes=300000-" + (size - 1), "bytes=300001-" + (size - 1));
        assertThat(pauses).as("each of them received something").containsOnly(Duration.ofSeconds(1));
        assertThat(snapshot().resolve(TestHub.FIRST)).hasBinaryContent(hub.files.get(TestHub.FIRST));
    }

    @Test
    void anotherRunContinuesAnInterruptedOne() throws IOException {
        long size = hub.files.get(TestHub.FIRST).length;
        rangeBytes = size / 3 + 1;
        CountDownLatch begun = new CountDownLatch(3);
        pause = time -> {
            begun.countDown();
            assertThat(begun.await(30, TimeUnit.SECONDS)).isTrue();
        };
        for (int i = 0; i < 30; i++) { // each range gets its first bytes, and no more
            hub.next(TestHub.FIRST, exchange -> {
                String range = exchange.getRequestHeaders().getFirst("Range");
                String from = range.substring("bytes=".length(), range.indexOf('-'));
                boolean first = Long.parseLong(from) % rangeBytes == 0;
                hub.cut(TestHub.FIRST, first ? 100_000 : 0).answer(exchange);
            });
        }
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("the same command continues it", "hf:test/tiny");
        assertThat(models().cached(MODEL)).isEmpty();
        assertThat(names(folder().resolve("blobs"))).anyMatch(name -> name.endsWith(".lychee.incomplete"));

        hub = restart();
        pause = pauses::add;
        models().pull(MODEL);
        assertThat(hub.requests("config.json")).as("was complete").isEmpty();
        assertThat(hub.requests(TestHub.FIRST))
                .filteredOn(TestHub.Request::cdn)
                .extracting(TestHub.Request::range)
                .containsExactlyInAnyOrder(
                        "bytes=100000-" + (rangeBytes - 1),
                        "bytes=" + (rangeBytes + 100_000) + "-" + (2 * rangeBytes - 1),
                        "bytes=" + (2 * rangeBytes + 100_000) + "-" + (size - 1));
        assertThat(snapshot().resolve(TestHub.FIRST)).hasBinaryContent(hub.files.get(TestHub.FIRST));
        assertThat(names(folder().resolve("blobs"))).noneMatch(name -> name.endsWith(".incomplete"));
    }

    @Test
    void manyRangesMakeOneFile() {
        rangeBytes = 10_000;
        models().pull(MODEL);
        assertThat(snapshot().resolve(TestHub.FIRST)).hasBinaryContent(hub.files.get(TestHub.FIRST));
        assertThat(hub.requests(TestHub.FIRST)).hasSizeGreaterThan(100);
    }

    @ParameterizedTest
    @ValueSource(longs = {400_000, Downloader.RANGE_BYTES})
    void aFileThatChangedMeanwhileStartsOver(long range) {
        rangeBytes = range;
        hub.next(TestHub.FIRST, exchange -> {
            hub.cut(TestHub.FIRST, 50_000).answer(exchange);
            hub.etags.put(TestHub.FIRST, "another");
        });
        models().pull(MODEL);
        if (range == Downloader.RANGE_BYTES) { // several ranges may see both files before one is cut
            assertThat(hub.requests(TestHub.FIRST))
                    .filteredOn(TestHub.Request::cdn)
                    .element(1)
                    .satisfies(request -> assertThat(request.ifRange()).isNotNull());
        }
        assertThat(snapshot().resolve(TestHub.FIRST)).hasBinaryContent(hub.files.get(TestHub.FIRST));
    }

    @Test
    void aServerWithoutRangesSendsTheWholeFile() {
        rangeBytes = 100_000;
        for (int i = 0; i < 30; i++) {
            hub.next(TestHub.FIRST, exchange -> {
                byte[] whole = hub.files.get(TestHub.FIRST);
                exchange.sendResponseHeaders(200, whole.length);
                exchange.getResponseBody().write(whole);
            });
        }
        models().pull(MODEL);
        assertThat(snapshot().resolve(TestHub.FIRST)).hasBinaryContent(hub.files.get(TestHub.FIRST));
    }

    @Test
    void aWrongChecksumIsTriedOnceMore() throws IOException {
        hub.next(TestHub.SECOND, hub.corrupt(TestHub.SECOND));
        models().pull(MODEL);
        assertThat(snapshot().resolve(TestHub.SECOND)).hasBinaryContent(hub.files.get(TestHub.SECOND));

        environment.put("HF_HOME", home.resolve("other").toString());
        hub.next("tokenizer.json", hub.corrupt("tokenizer.json"));
        hub.next("tokenizer.json", hub.corrupt("tokenizer.json"));
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("tokenizer.json", "checksum");
        assertThat(names(home.resolve("other/hub/models--test--tiny/blobs")))
                .noneMatch(name -> name.startsWith(TestHub.gitHash(hub.files.get("tokenizer.json"))));
    }

    @Test
    void retryAfterIsWaitedForUpToABound() {
        hub.next("config.json", TestHub.status(429, "Retry-After", "7"));
        hub.next(TestHub.FIRST, TestHub.status(503));
        models().pull(MODEL);
        assertThat(pauses).containsExactly(Duration.ofSeconds(7), Duration.ofSeconds(1));

        hub.next(TestHub.LISTING, TestHub.status(429, "Retry-After", "7"));
        assertThat(models().pull(MODEL).directory()).isEqualTo(snapshot());
        assertThat(messages).singleElement().asString().contains("429", "downloaded before");

        environment.put("HF_HOME", home.resolve("other").toString());
        hub.next(TestHub.LISTING, TestHub.status(429, "Retry-After", "86400"));
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("429", "86400 s", "HF_TOKEN");
        assertThat(pauses).hasSize(2);
    }

    @Test
    void redirectsAreBoundedAndStayOnTheWeb() {
        for (int i = 0; i < 6; i++) {
            hub.next("config.json", TestHub.status(302, "Location", "/test/tiny/resolve/x/config.json"));
        }
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("redirects more than 5 times");
        assertThat(hub.requests("config.json")).hasSize(6);
        hub.next(TestHub.LISTING, TestHub.status(302, "Location", "file:///etc/passwd"));
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("redirects to file:");
    }

    @Test
    void aListingIsBounded() {
        for (int i = 0; i < Retries.TRIES; i++) {
            hub.next(TestHub.LISTING, exchange -> {
                exchange.sendResponseHeaders(200, 0);
                exchange.getResponseBody().write(new byte[17 << 20]);
            });
        }
        assertThatThrownBy(() -> models().pull(MODEL)).hasMessageContaining("more than 16777216 bytes");
    }

    @Test
    void twoDownloadsOfOneModelExcludeEachOther() throws IOException {
        Path lock = home.resolve(".cache/huggingface/hub/.locks/models--test--tiny/lychee.lock");
        Files.createDirectories(lock.getParent());
        try (FileChannel file = FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = file.lock()) {
            assertThat(held.isValid()).isTrue();
            assertThatThrownBy(() -> models().pull(MODEL))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContainingAll("another process", lock.toString());
        }
        models().pull(MODEL);
    }

    private TestHub restart() throws IOException {
        hub.close();
        TestHub fresh = TestHub.golden();
        environment.put("HF_ENDPOINT", fresh.url());
        return fresh;
    }
}
