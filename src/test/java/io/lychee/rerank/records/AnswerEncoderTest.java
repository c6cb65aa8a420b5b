package io.lychee.rerank.records;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Usage;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.kafka.TestingRecords;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.RerankedListCodec;
import io.lychee.rerank.wire.WireSchema;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AnswerEncoderTest {

    private static final int LARGE = 1 << 20;

    @ParameterizedTest
    @EnumSource
    void anAnswerSurvivesTheWire(OutputFormat format) throws Exception {
        RerankedList answer = answer(3, 2, "detail", 10);

        SourceRecord origin = TestingRecords.source("x");
        origin.position = 7;

        OutputRecord out = new AnswerEncoder(format, LARGE).encode(answer, origin);

        assertThat(RerankedListCodec.decode(out.value)).isEqualTo(answer);
        assertThat(out.deadLetter).isFalse();
        assertThat(out.position).isEqualTo(7);
    }

    @Test
    void keysAndHeadersAreCarriedOver() {
        AnswerEncoder encoder = new AnswerEncoder(OutputFormat.AVRO, LARGE);
        SourceRecord origin = TestingRecords.source("x");
        origin.headerNames = new String[] {"trace", "trace"};
        origin.headerValues = new byte[][] {{1}, {}};

        OutputRecord otherKey = encoder.encode(answer(1, 0, "d", 1), origin);
        assertThat(otherKey.key).asString(StandardCharsets.UTF_8).isEqualTo("q-1");
        assertThat(otherKey.headerNames).containsExactly("trace", "trace", "lychee.key");
        assertThat(otherKey.headerValues[2]).asString(StandardCharsets.UTF_8).isEqualTo("k");

        origin.key = "q-1".getBytes(StandardCharsets.UTF_8);
        assertThat(encoder.encode(answer(1, 0, "d", 1), origin).headerNames).containsExactly("trace", "trace");
        origin.key = null;
        assertThat(encoder.encode(answer(1, 0, "d", 1), origin).headerNames).containsExactly("trace", "trace");
    }

    /** Whatever the answer, it fits, and says what it lost. */
    @ParameterizedTest
    @EnumSource
    void everyAnswerFits(OutputFormat format) throws Exception {
        for (long seed = 1; seed <= 150; seed++) {
            Random random = new Random(seed);
            int limit = 4096 << random.nextInt(4);
            RerankedList answer = answer(
                    random.nextInt(60), random.nextInt(60), "\u0000".repeat(random.nextInt(2000)), random.nextInt(900));
            SourceRecord origin = TestingRecords.source("x");
            origin.key = new byte[random.nextInt(3000)];
            origin.headerNames = new String[] {"trace"};
            origin.headerValues = new byte[][] {new byte[random.nextInt(3000)]};

            OutputRecord out = new AnswerEncoder(format, limit).encode(answer, origin);

            String what = "seed " + seed;
            assertThat(out.size()).as(what).isLessThanOrEqualTo(limit - 128);
            RerankedList list = RerankedListCodec.decode(out.value);
            boolean whole = list.results().equals(answer.results())
                    && list.leftOut().equals(answer.leftOut())
                    && list.attributes().equals(answer.attributes())
                    && Objects.equals(list.detail(), answer.detail())
                    && list.model().equals(answer.model())
                    && out.headerNames.length == 2;
            assertThat(list.shortened() == null).as(what).isEqualTo(whole);
            if (whole) {
                assertThat(list).as(what).isEqualTo(answer);
            }
            assertThat(list.results())
                    .as(what)
                    .hasSizeLessThanOrEqualTo(answer.results().size());
            for (int i = 0; i < list.results().size(); i++) {
                assertThat(list.results().get(i).id())
                        .as(what)
                        .isEqualTo(answer.results().get(i).id());
            }
        }
    }

    @Test
    void detailsGoFirstThenWhatWasLeftOut() throws Exception {
        RerankedList lost = RerankedListCodec.decode(new AnswerEncoder(OutputFormat.JSON, 16_384)
                .encode(answer(20, 20, "x".repeat(1000), 10), TestingRecords.source("x"))
                .value);
        assertThat(lost.shortened()).startsWith("details and rules of candidates left out: with them the record would");
        assertThat(lost.leftOut()).hasSize(20);

        lost = RerankedListCodec.decode(new AnswerEncoder(OutputFormat.JSON, 8192)
                .encode(answer(20, 40, "x".repeat(1000), 10), TestingRecords.source("x"))
                .value);
        assertThat(lost.shortened()).startsWith("details and rules of candidates, left_out left out: ");
        assertThat(lost.results()).hasSize(20);
        assertThat(lost.leftOut()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void everyDeadLetterFits(OutputFormat format) throws Exception {
        for (long seed = 1; seed <= 150; seed++) {
            Random random = new Random(seed);
            int limit = 4096 << random.nextInt(10);
            SourceRecord origin = TestingRecords.source(new byte[random.nextInt(500_000)]);
            origin.key = new byte[random.nextInt(3000)];
            origin.headerNames = new String[] {"\u0000".repeat(random.nextInt(300))};
            origin.headerValues = new byte[][] {new byte[random.nextInt(3000)]};
            origin.source = "\u0000".repeat(random.nextInt(5000));
            DeadLetter letter = new DeadLetter(
                    DeadLetterReason.INVALID,
                    "\u0000".repeat(random.nextInt(5000)),
                    origin,
                    TestingRecords.CLOCK.instant());

            OutputRecord out = new DeadLetterCodec(format, limit).encode(letter);

            assertThat(out.size()).as("seed " + seed).isLessThanOrEqualTo(limit - 128);
            DeadLetter read = DeadLetterCodec.decode(out.value);
            assertThat(read.origin().valueSize).isEqualTo(origin.valueSize);
            assertThat(read.origin().value).hasSizeLessThanOrEqualTo(256 * 1024);
        }
    }

    @Test
    void aDeadLetterSurvivesTheWire() throws Exception {
        for (OutputFormat format : OutputFormat.values()) {
            SourceRecord origin = TestingRecords.source("broken");
            origin.headerNames = new String[] {"trace", "none"};
            origin.headerValues = new byte[2][];
            origin.headerValues[0] = new byte[] {1, 2};
            DeadLetter letter =
                    new DeadLetter(DeadLetterReason.UNDECODABLE, "why", origin, TestingRecords.CLOCK.instant());

            OutputRecord out = new DeadLetterCodec(format, LARGE).encode(letter);
            DeadLetter read = DeadLetterCodec.decode(out.value);

            assertThat(out.deadLetter).isTrue();
            assertThat(out.key).isEqualTo(origin.key);
            assertThat(out.headerNames).isEqualTo(origin.headerNames);
            assertThat(read)
                    .usingRecursiveComparison()
                    .ignoringFields("origin.size")
                    .isEqualTo(letter);
        }
    }

    @Test
    void aLimitThatIsTooSmallIsRefusedAtStart() {
        assertThatThrownBy(() -> new AnswerEncoder(OutputFormat.AVRO, 4000))
                .isInstanceOf(ConfigException.class)
                .hasMessage("kafka.max-record-bytes is 4000 bytes; expected at least 4096");
    }

    /** A reason that this schema hasn't is written as OTHER, and read as null. */
    @Test
    void everyReasonHasItsSymbol() {
        var symbols =
                WireSchema.RERANKED_LIST.schema("reason").getTypes().get(1).getEnumSymbols();
        for (Reason reason : Reason.values()) {
            assertThat(symbols).contains(reason.name());
        }
        assertThat(WireSchema.RERANKED_LIST.schema("status").getEnumSymbols())
                .containsExactly(names(ListStatus.values()));
        assertThat(WireSchema.DEAD_LETTER.schema("reason").getEnumSymbols())
                .containsExactly(names(DeadLetterReason.values()));
    }

    private static String[] names(Enum<?>[] constants) {
        return Arrays.stream(constants).map(Enum::name).toArray(String[]::new);
    }

    static RerankedList answer(int results, int leftOut, String detail, int attributeLength) {
        Map<String, String> attributes = Map.of("a", "é".repeat(attributeLength));
        List<RankedCandidate> kept = new ArrayList<>();
        List<RankedCandidate> left = new ArrayList<>();
        for (int i = 0; i < results + leftOut; i++) {
            boolean keep = i < results;
            (keep ? kept : left)
                    .add(new RankedCandidate(
                            "c" + i,
                            keep ? i + 1 : null,
                            i + 1,
                            keep ? 1.5 : null,
                            keep ? 0.25 : null,
                            keep ? -1.0986 : null,
                            keep ? 0.5 : null,
                            keep ? CandidateStatus.SCORED : CandidateStatus.REJECTED,
                            keep ? null : Reason.IMAGE_UNREADABLE,
                            keep ? null : detail,
                            keep,
                            keep ? List.of("boost") : List.of(),
                            attributes,
                            i % 2 == 0 ? 1 : null));
        }
        return new RerankedList(
                "q-1",
                ListStatus.PARTIAL,
                Reason.DEADLINE,
                detail,
                TestingRecords.CLOCK.instant(),
                kept,
                left,
                new Latency(1, 2, 3, 4),
                new Usage(5, 6, 7, 8),
                new ModelInfo("tiny", "0123abcd"),
                attributes,
                null);
    }
}
