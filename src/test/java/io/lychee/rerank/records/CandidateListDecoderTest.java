package io.lychee.rerank.records;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.kafka.TestingRecords;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.Fields;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.avro.generic.GenericRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CandidateListDecoderTest {

    private static final int MAX_BYTES = 1 << 20;
    private final CandidateListDecoder decoder = new CandidateListDecoder(MAX_BYTES, 1000);

    @Test
    void readsTheDesignsExample() {
        CandidateList list = taken("""
                {"request_id":"q-17","instruction":null,"attributes":{"group":"style"},
                 "query":{"text":"white suit","images":["https://example.com/look.jpg"]},
                 "candidates":[{"id":"sku-1","text":"blazer","images":["file:img/1.jpg","data:image/png;base64,iVBO"],
                   "retrieval_score":12.3,"attributes":{"sales":"1200"},"relevance":2}],
                 "top_n":null,"timeout_ms":null}""");

        assertThat(list)
                .isEqualTo(new CandidateList(
                        "q-17",
                        null,
                        Map.of("group", "style"),
                        new Content("white suit", List.of(new Image.Reference("https://example.com/look.jpg"))),
                        List.of(new Candidate(
                                "sku-1",
                                new Content(
                                        "blazer",
                                        List.of(
                                                new Image.Reference("file:img/1.jpg"),
                                                new Image.Bytes(new byte[] {(byte) 0x89, 'P', 'N'}))),
                                12.3,
                                Map.of("sales", "1200"),
                                2)),
                        null,
                        null));
    }

    @Test
    void absentFieldsAndNullsTakeTheDefaults() {
        CandidateList list = taken("\uFEFF \n{\"request_id\":\"q\",\"query\":{},\"attributes\":null,"
                + "\"candidates\":[{\"id\":\"a\",\"images\":null,\"relevance\":2.0,\"new\":[{\"x\":{}}]}]}");

        assertThat(list.candidates())
                .containsExactly(new Candidate("a", new Content(null, List.of()), null, Map.of(), 2));
        assertThat(decoder.unknownFields()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {}                                                                     | UNDECODABLE | request_id is missing
            {"request_id":"q","query":{},"candidates":[{"id":"a"},{}]}             | UNDECODABLE | candidates[1].id is missing
            {"request_id":"q","query":{},"candidates":[{"id":7}]}                  | UNDECODABLE | candidates[0].id: expected a string, found 7
            {"request_id":"q","query":{},"candidates":[{"id":"a","retrieval_score":"12"}]} | UNDECODABLE | candidates[0].retrieval_score: expected a number, found the string "12"
            {"request_id":"q","query":{},"candidates":[{"id":"a","retrieval_score":1e999}]} | UNDECODABLE | candidates[0].retrieval_score: expected a number, found 1e999
            {"request_id":"q","query":{},"candidates":[{"id":"a","retrieval_score":NaN}]} | UNDECODABLE | broken JSON at byte
            {"request_id":"q","query":{},"candidates":[],"top_n":3000000000}       | UNDECODABLE | top_n: expected a whole number from -2147483648 to 2147483647, found 3000000000
            {"request_id":"q","query":{},"candidates":[],"top_n":1.5}              | UNDECODABLE | found 1.5
            {"request_id":"q","query":{},"candidates":[],"top_n":1e1000000000}     | UNDECODABLE | top_n: expected a whole number
            {"request_id":"q","query":[],"candidates":[]}                          | UNDECODABLE | query: expected an object, found an array
            {"request_id":"q","query":{},"candidates":{}}                          | UNDECODABLE | candidates: expected an array, found an object
            {"request_id":"q","query":{},"candidates":[],"attributes":{"a":1}}     | UNDECODABLE | attributes.a: expected a string, found 1
            {"request_id":"q","query":{},"candidates":[],"attributes":{"a":null}}  | UNDECODABLE | attributes.a: expected a string, found null
            {"request_id":"q","query":{"text":"a","text":"b"},"candidates":[]}     | UNDECODABLE | query.text occurs twice
            {"request_id":"q","query":{},"query":{},"candidates":[]}               | UNDECODABLE | query occurs twice
            {"request_id":"q","query":{},"candidates":[]} {}                       | UNDECODABLE | more JSON behind the record
            {"request_id":"q","query":{},"candidates":[                            | UNDECODABLE | broken JSON at byte
            {"request_id":"q q","query":{},"candidates":[]}                        | INVALID     | request_id is "q q"; expected 1 to 200
            {"request_id":"q","query":{},"candidates":[],"top_n":0}                | INVALID     | top_n is 0; expected at least 1
            [1]                                                                    | UNDECODABLE | starts with 5B 31 5D
            hello                                                                  | UNDECODABLE | expected C3 01 (Avro single-object encoding) or { (JSON)
            """)
    void whatIsWrongIsNamed(String json, DeadLetterReason reason, String message) {
        UnreadableException refused = refused(TestingRecords.source(json));

        assertThat(refused).hasMessageContaining(message);
        assertThat(refused.reason()).isEqualTo(reason);
    }

    @Test
    void emptyAndOversizedRecordsAreDeadLetters() {
        assertThat(refused(TestingRecords.source((byte[]) null)).reason()).isEqualTo(DeadLetterReason.EMPTY_RECORD);
        assertThat(refused(TestingRecords.source(new byte[0])).reason()).isEqualTo(DeadLetterReason.EMPTY_RECORD);
        assertThat(refused(TestingRecords.source(" \r\n")).reason()).isEqualTo(DeadLetterReason.EMPTY_RECORD);
        UnreadableException oversized = refused(TestingRecords.source(new byte[MAX_BYTES]));
        assertThat(oversized.reason()).isEqualTo(DeadLetterReason.OVERSIZED);
        assertThat(oversized).hasMessageContainingAll("1048577 bytes", "kafka.max-record-bytes");
    }

    @Test
    void tooManyCandidatesAreRefusedInBothForms() throws Exception {
        CandidateListDecoder small = new CandidateListDecoder(MAX_BYTES, 2);
        for (OutputFormat format : OutputFormat.values()) {
            for (int candidates : new int[] {2, 3}) {
                CandidateList list = list(candidates);
                byte[] value = CandidateListCodec.encode(list, format);
                if (candidates == 2) {
                    assertThat(small.decode(value)).isEqualTo(list);
                } else {
                    UnreadableException refused =
                            catchThrowableOfType(UnreadableException.class, () -> small.decode(value));
                    assertThat(refused.reason()).isEqualTo(DeadLetterReason.INVALID);
                    assertThat(refused).hasMessageContainingAll("candidates has more than 2", "list.max-candidates");
                }
            }
        }
    }

    @Test
    void anUnknownFingerprintIsNamedBesideTheKnown() {
        byte[] avro = CandidateListCodec.encode(list(1), OutputFormat.AVRO);
        avro[9] ^= 1;

        assertThat(refused(TestingRecords.source(avro)).getMessage())
                .matches("Avro of an unknown schema, fingerprint [0-9a-f]{16}; known for CandidateList: [0-9a-f]{16}");
        assertThat(refused(TestingRecords.source(new byte[] {(byte) 0xC3, 1, 2}))
                        .getMessage())
                .contains("ends within its header");
    }

    @Test
    void textIsValidUnicode() {
        byte[] avro = CandidateListCodec.encode(list(1), OutputFormat.AVRO);
        byte[] json = CandidateListCodec.encode(list(1), OutputFormat.JSON);
        for (byte[] bytes : List.of(avro, json)) {
            String latin = new String(bytes, StandardCharsets.ISO_8859_1);
            bytes[latin.indexOf("text 0")] = (byte) 0xE9;
            assertThat(refused(TestingRecords.source(bytes)).getMessage()).contains("not UTF-8");
        }
        CandidateList half = taken("{\"request_id\":\"q\",\"query\":{\"text\":\"a\\ud83d!\"},\"candidates\":[]}");
        assertThat(half.query().text()).isEqualTo("a\uFFFD!");
    }

    @Test
    void halvesOfPairsBecomeReplacementCharactersInEveryString() {
        CandidateList list = taken("""
                {"request_id":"q","instruction":"\\ud83d","attributes":{"\\ud83d":"\\udc5f"},"query":{"text":"\\udc5f\\ud83d"},
                 "candidates":[{"id":"\\ud83d","text":"\\ud83d\\udc5f\\udc5f","images":["file:\\ud83d"],"attributes":{"a":"\\ud83d"}}]}""");
        assertThat(list.instruction()).isEqualTo("\uFFFD");
        assertThat(list.attributes()).containsExactly(Map.entry("\uFFFD", "\uFFFD"));
        assertThat(list.query().text()).isEqualTo("\uFFFD\uFFFD");
        Candidate candidate = list.candidates().get(0);
        assertThat(candidate.id()).isEqualTo("\uFFFD");
        assertThat(candidate.content()).isEqualTo(new Content("👟\uFFFD", List.of(new Image.Reference("file:\uFFFD"))));
        assertThat(candidate.attributes()).containsValue("\uFFFD");
    }

    /** By the rules of WHATWG's Fetch standard. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "data:image/png;base64,AAEC",
                "DATA:;BASE64,AAE%43\\n",
                " data: image/png ; base64,AAEC ",
                "data:image/png;   base64,AA EC",
                "data:image/png;charset=x;base64,AA%20E%0AC",
                "da\\nta:image/png;ba\\tse64,A\\r\\nAEC\\n",
                "data:base64;base64,AAEC#frag,ment",
                "data:,%00%01%02",
                "data:image/png,%00%01%02#x"
            })
    void everyDataUriIsItsBytes(String uri) {
        assertThat(image(uri)).isEqualTo(new Image.Bytes(new byte[] {0, 1, 2}));
    }

    @Test
    void base64IsReadForgivingly() {
        for (String uri :
                List.of("data:;base64,AAE=", "data:;base64,AAE", "data:;base64,A%41E%3D", "data:;base64, AAF=")) {
            assertThat(image(uri)).as(uri).isEqualTo(new Image.Bytes(new byte[] {0, 1}));
        }
        for (String uri : List.of("data:;base64,A", "data:;base64,AAA==A", "data:;base64,A*AA", "data;base64,AAEC")) {
            assertThat(image(uri)).as(uri).isInstanceOf(Image.Reference.class);
        }
    }

    @Test
    void whiteSpaceAroundAReferenceIsDropped() throws Exception {
        assertThat(image(" https://a/b \\n")).isEqualTo(new Image.Reference("https://a/b"));
        assertThat(image("\\tfile:a b.jpg\\r\\n")).isEqualTo(new Image.Reference("file:a b.jpg"));
        GenericRecord record = CandidateListCodec.toRecord(list(1));
        candidate(record).put("images", List.of(" file:a%20b ", " data:,x"));
        CandidateList list = decoder.decode(WireSchema.encode(record, OutputFormat.AVRO));
        assertThat(list.candidates().get(0).content().images())
                .containsExactly(new Image.Reference("file:a%20b"), new Image.Bytes(new byte[] {'x'}));
    }

    @Test
    void dataUrisAreBytesWhereverTheyCanBeRead() {
        assertThat(image("data:;base64,-_8")).isEqualTo(new Image.Bytes(new byte[] {(byte) 0xFB, (byte) 0xFF}));
        assertThat(image("data:,a%20b")).isEqualTo(new Image.Bytes(new byte[] {'a', ' ', 'b'}));
        assertThat(image("data:image/png;base64,!")).isEqualTo(new Image.Reference("data:image/png;base64,!"));
        assertThat(image("data:,%4")).isEqualTo(new Image.Bytes(new byte[] {'%', '4'}));
        assertThat(image("data:")).isEqualTo(new Image.Reference("data:"));
        assertThat(image("https://example.com/,")).isEqualTo(new Image.Reference("https://example.com/,"));
    }

    @Test
    void aDataUriInAvroIsBytesTooAndNaNIsNoScore() throws Exception {
        GenericRecord record = CandidateListCodec.toRecord(list(1));
        GenericRecord candidate = candidate(record);
        candidate.put("images", List.of("data:,x"));
        candidate.put("retrieval_score", Double.NaN);

        CandidateList list = decoder.decode(WireSchema.encode(record, OutputFormat.AVRO));

        Candidate read = list.candidates().get(0);
        assertThat(read.content().images()).containsExactly(new Image.Bytes(new byte[] {'x'}));
        assertThat(read.retrievalScore()).isNull();
    }

    /** Counts and lengths that only an attacker or a flipped bit would write. */
    @Test
    void hugeCountsCostNothing() {
        byte[] avro = CandidateListCodec.encode(list(0), OutputFormat.AVRO);
        byte[] huge = {(byte) 0xFE, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF, 0x0F};
        for (int at = 10; at < avro.length; at++) {
            byte[] broken = new byte[avro.length + huge.length];
            System.arraycopy(avro, 0, broken, 0, at);
            System.arraycopy(huge, 0, broken, at, huge.length);
            System.arraycopy(avro, at, broken, at + huge.length, avro.length - at);
            assertThatThrownBy(() -> decoder.decode(broken)).as("at " + at).isInstanceOf(UnreadableException.class);
        }
    }

    /** Whatever the bytes: a list or a dead letter, and a dead letter that can be written and read. */
    @Test
    void mutatedRecordsAreListsOrDeadLetters() throws Exception {
        DeadLetterCodec letters = new DeadLetterCodec(OutputFormat.JSON, MAX_BYTES);
        int taken = 0;
        int refused = 0;
        for (long seed = 1; seed <= 6000; seed++) {
            Random random = new Random(seed);
            GenericRecord record = new TestingRecords(seed % 50).record(WireSchema.CANDIDATE_LIST.schema());
            byte[] bytes = random.nextBoolean()
                    ? WireSchema.encode(record, OutputFormat.AVRO)
                    : WireSchema.encode(record, OutputFormat.JSON);
            byte[] mutated = mutate(bytes, random);
            SourceRecord source = TestingRecords.source(mutated);
            try {
                var unused = decoder.decode(source);
                taken++;
            } catch (UnreadableException e) {
                refused++;
                assertThat(e.getMessage()).as("seed " + seed).isNotBlank().doesNotContain("can't be decoded");
                DeadLetter letter = new DeadLetter(e.reason(), e.getMessage(), source, TestingRecords.CLOCK.instant());
                DeadLetter back = DeadLetterCodec.decode(letters.encode(letter).value);
                assertThat(back.origin().value).as("seed " + seed).isEqualTo(mutated);
            }
        }
        assertThat(taken).isGreaterThan(300);
        assertThat(refused).isGreaterThan(1000);
    }

    private static byte[] mutate(byte[] bytes, Random random) {
        byte[] mutated = bytes.clone();
        for (int i = random.nextInt(3); i >= 0; i--) {
            int at = random.nextInt(mutated.length);
            switch (random.nextInt(4)) {
                case 0 -> mutated[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> mutated[at] = (byte) random.nextInt(256);
                case 2 -> mutated = Arrays.copyOf(mutated, Math.max(1, at));
                default -> mutated = Arrays.copyOf(mutated, mutated.length + random.nextInt(5));
            }
        }
        return mutated;
    }

    private static GenericRecord candidate(GenericRecord list) {
        return Fields.<List<GenericRecord>>get(list, "candidates").get(0);
    }

    private CandidateList taken(String json) {
        try {
            return decoder.decode(TestingRecords.source(json));
        } catch (UnreadableException e) {
            throw new AssertionError(e);
        }
    }

    private UnreadableException refused(SourceRecord record) {
        return catchThrowableOfType(UnreadableException.class, () -> decoder.decode(record));
    }

    private Image image(String reference) {
        return taken("{\"request_id\":\"q\",\"query\":{\"images\":[\"" + reference + "\"]},\"candidates\":[]}")
                .query()
                .images()
                .get(0);
    }

    private static CandidateList list(int candidates) {
        List<Candidate> all = new ArrayList<>();
        for (int i = 0; i < candidates; i++) {
            all.add(new Candidate("c" + i, new Content("text " + i, List.of()), null, Map.of(), null));
        }
        return new CandidateList("q", "i", Map.of(), new Content("query", List.of()), all, 3, 100L);
    }
}
