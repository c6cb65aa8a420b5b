package io.lychee.rerank.records;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.UnreadableException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import org.apache.avro.Schema;
import org.apache.avro.file.CodecFactory;
import org.apache.avro.file.DataFileWriter;
import org.apache.avro.generic.GenericDatumWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files as they lie on disks: whole, packed, damaged, made to harm. */
class RecordReaderTest {

    private static final Path SCHEMA = Path.of("schemas/released/candidate_list.1.avsc");
    private static final int HEADER = 10;

    @TempDir
    private Path folder;

    private final RerankConfig config = RerankConfig.of(Map.of(
            "model.checkpoint", "none",
            "kafka.max-record-bytes", "4 kb",
            "files.max-block-bytes", "64 kb",
            "files.max-inflated-bytes", "1 mb"));

    @ParameterizedTest
    @ValueSource(strings = {"null", "deflate", "snappy", "zstandard"})
    void listsOfAContainerAreRecordsAsInATopic(String codec) throws IOException {
        Path file = container(codec, datums(1000), 100);

        assertThat(ids(file)).isEqualTo(expectedIds(1000));
        assertThat(read(file).get(999)).satisfies(record -> {
            assertThat(record.offset).isEqualTo(999);
            assertThat(record.source).isEqualTo("lists.avro");
        });
    }

    @Test
    void gzipIsFoundByItsFirstBytes() throws IOException {
        Path lines = folder.resolve("lists");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(lines))) {
            for (int i = 0; i < 1000; i++) {
                out.write(CandidateListCodec.encode(list(i), OutputFormat.JSON));
                out.write('\n');
            }
        }

        assertThat(ids(lines)).isEqualTo(expectedIds(1000));
        assertThat(ids(gzip(Files.readAllBytes(container("null", datums(100), 10)))))
                .isEqualTo(expectedIds(100));
    }

    /** As Windows, spreadsheets and {@code cat} put them together. */
    @ParameterizedTest
    @ValueSource(
            strings = {"\uFEFF\n%s\n", "\uFEFF%s\n", "\uFEFF \t\r\n\n%s", "%1$s\n\uFEFF\n\uFEFF%1$s\r\n\uFEFF\r\n"})
    void aByteOrderMarkIsNoRecord(String lines) throws IOException {
        String json = new String(CandidateListCodec.encode(list(0), OutputFormat.JSON), StandardCharsets.UTF_8);
        Path file = Files.writeString(folder.resolve("bom.jsonl"), lines.formatted(json));

        assertThat(decode(read(file)))
                .hasSize(lines.contains("%1") ? 2 : 1)
                .allSatisfy(decoded -> assertThat(decoded).isInstanceOf(CandidateList.class));
    }

    @Test
    void aLongLineThatBeginsBlankIsNotPassedOver() throws IOException {
        Path file = Files.writeString(folder.resolve("blank.jsonl"), "\uFEFF" + " ".repeat(5000) + "{}\n");

        assertThat(decode(read(file))).singleElement().isInstanceOf(UnreadableException.class);
    }

    @Test
    void aBrokenListTakesTheRestOfItsBlockAlong() throws IOException {
        List<byte[]> datums = datums(30);
        Arrays.fill(datums.get(14), (byte) 0xFF);

        List<SourceRecord> records = read(container("deflate", datums, 10));
        List<Object> decoded = decode(records);

        // blocks of ten: four good ones and what is left of the second
        assertThat(decoded).hasSize(10 + 5 + 10);
        assertThat(decoded.get(14))
                .isInstanceOfSatisfying(
                        UnreadableException.class,
                        refused -> assertThat(refused.reason()).isEqualTo(DeadLetterReason.UNDECODABLE));
        assertThat(records.get(14).offset).isEqualTo(14);
        assertThat(decoded.stream().filter(CandidateList.class::isInstance)).hasSize(24);
    }

    @Test
    void whatIsTooLargeIsNeverHeld() throws IOException {
        byte[] large = datum(new CandidateList(
                "large", null, Map.of(), new Content("x".repeat(10_000), List.of()), List.of(), null, null));
        List<SourceRecord> records =
                read(container("deflate", List.of(large, datums(1).get(0)), 10));
        assertThat(records.get(0).value).hasSize(4096 + HEADER);
        assertThat(decode(records).get(0))
                .isInstanceOfSatisfying(
                        UnreadableException.class,
                        refused -> assertThat(refused.reason()).isEqualTo(DeadLetterReason.OVERSIZED));
        assertThat(decode(records).get(1)).isInstanceOf(CandidateList.class);

        // a block that inflates to too much, one that says it had 2 GB, a line without end
        assertUnreadable(container("deflate", List.of(new byte[100_000]), 1), "files.max-block-bytes");
        assertUnreadable(container("null", List.of(new byte[100_000]), 1), "files.max-block-bytes");
        byte[] empty = Files.readAllBytes(container("null", List.of(), 1));
        ByteArrayOutputStream lie = new ByteArrayOutputStream();
        lie.writeBytes(empty);
        lie.writeBytes(new byte[] {2, (byte) 0xFE, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF, 0x0F});
        assertUnreadable(lie.toByteArray(), "a block of 2147483647 bytes");
        assertUnreadable(gzip(new byte[2 << 20]), "files.max-inflated-bytes");
    }

    @Test
    void damageIsSaidAndNotPassedOver() throws IOException {
        byte[] good = Files.readAllBytes(container("deflate", datums(30), 10));
        assertUnreadable(Arrays.copyOf(good, good.length - 5), "ends within a block");
        byte[] marker = good.clone();
        marker[good.length - 1] ^= 1;
        assertUnreadable(marker, "sync");
        assertUnreadable(Arrays.copyOf(good, 40), "");
        byte[] header = Arrays.copyOf(good, 100);
        header[5] = (byte) 0xFF;
        header[6] = (byte) 0xFF;
        header[7] = (byte) 0xFF;
        assertUnreadable(header, "");
        byte[] packed = Files.readAllBytes(gzip("{}\n".repeat(1000).getBytes(StandardCharsets.UTF_8)));
        assertUnreadable(Arrays.copyOf(packed, packed.length - 12), "");

        Path other = folder.resolve("other.avro");
        Schema schema = new Schema.Parser().parse("{\"type\":\"record\",\"name\":\"Other\",\"fields\":[]}");
        try (var writer = new DataFileWriter<>(new GenericDatumWriter<>()).create(schema, other.toFile())) {
            writer.sync();
        }
        assertUnreadable(other, "Other; expected a released one of");
        assertUnreadable(container("bzip2", datums(1), 1), "expected null, deflate, snappy or zstandard");
    }

    private void assertUnreadable(Path file, String message) throws IOException {
        assertUnreadable(Files.readAllBytes(file), message);
    }

    private void assertUnreadable(byte[] content, String message) throws IOException {
        Path file = Files.write(folder.resolve("bad"), content);
        assertThatThrownBy(() -> read(file))
                .isInstanceOf(IOException.class)
                .message()
                .containsIgnoringCase(message);
    }

    private Path gzip(byte[] content) throws IOException {
        Path file = folder.resolve("packed.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            out.write(content);
        }
        return file;
    }

    private Path container(String codec, List<byte[]> datums, int block) throws IOException {
        Path file = folder.resolve("lists.avro");
        Schema schema = new Schema.Parser().parse(SCHEMA.toFile());
        try (var writer = new DataFileWriter<>(new GenericDatumWriter<>())
                .setCodec(CodecFactory.fromString(codec))
                .create(schema, file.toFile())) {
            for (int i = 0; i < datums.size(); i++) {
                writer.appendEncoded(ByteBuffer.wrap(datums.get(i)));
                if (i % block == block - 1) {
                    writer.sync();
                }
            }
        }
        return file;
    }

    private static List<byte[]> datums(int count) {
        List<byte[]> datums = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            datums.add(datum(list(i)));
        }
        return datums;
    }

    private static byte[] datum(CandidateList list) {
        byte[] record = CandidateListCodec.encode(list, OutputFormat.AVRO);
        return Arrays.copyOfRange(record, HEADER, record.length);
    }

    private static CandidateList list(int i) {
        return new CandidateList(
                "q" + i, null, Map.of(), new Content("red dress " + i, List.of()), List.of(), null, null);
    }

    private static List<String> expectedIds(int count) {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            ids.add("q" + i);
        }
        return ids;
    }

    private List<String> ids(Path file) throws IOException {
        return decode(read(file)).stream()
                .map(decoded -> ((CandidateList) decoded).requestId())
                .toList();
    }

    /** Decodes each record to its list, or to the exception that says why it is none. */
    private List<Object> decode(List<SourceRecord> records) {
        CandidateListDecoder decoder = new CandidateListDecoder(config);
        List<Object> decoded = new ArrayList<>();
        for (SourceRecord record : records) {
            try {
                decoded.add(decoder.decode(record));
            } catch (UnreadableException e) {
                decoded.add(e);
            }
        }
        return decoded;
    }

    private List<SourceRecord> read(Path file) throws IOException {
        List<SourceRecord> records = new ArrayList<>();
        try (RecordReader reader = RecordReader.open(file, config)) {
            for (SourceRecord record = reader.read(); record != null; record = reader.read()) {
                records.add(record);
            }
        }
        return records;
    }
}
