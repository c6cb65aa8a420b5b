package io.lychee.rerank.wire;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.kafka.TestingRecords;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.BinaryMessageEncoder;
import org.junit.jupiter.api.Test;

class WireSchemaTest {

    private static final Path RELEASED = Path.of("schemas/released");

    /** JSON and Avro say the same, whatever the record. */
    @Test
    void everyRecordSurvivesTheWayThroughBothForms() throws Exception {
        for (long seed = 1; seed <= 300; seed++) {
            for (WireSchema type : WireSchema.ALL) {
                GenericRecord record = new TestingRecords(seed).record(type.schema());
                String what = type.schema().getName() + ", seed " + seed;
                byte[] avro = WireSchema.encode(record, OutputFormat.AVRO);
                byte[] json = WireSchema.encode(record, OutputFormat.JSON);

                GenericRecord fromAvro = read(type, avro);
                GenericRecord fromJson = read(type, json);

                assertThat(fromAvro).as(what).isEqualTo(record);
                assertThat(fromJson).as(what).isEqualTo(record);
                assertThat(WireSchema.encode(fromAvro, OutputFormat.JSON))
                        .as(what)
                        .isEqualTo(json);
                assertThat(json).as("one line: " + what).doesNotContain((byte) '\n');
            }
        }
    }

    /** What we write, Avro's own single-object decoder reads, and the other way round. */
    @Test
    void speaksAvrosSingleObjectEncoding() throws Exception {
        for (WireSchema type : WireSchema.ALL) {
            GenericRecord record = new TestingRecords(7).record(type.schema());

            assertThat(new BinaryMessageDecoder<GenericRecord>(GenericData.get(), type.schema())
                            .decode(WireSchema.encode(record, OutputFormat.AVRO)))
                    .isEqualTo(record);
            ByteBuffer theirs =
                    new BinaryMessageEncoder<GenericRecord>(GenericData.get(), type.schema()).encode(record);
            assertThat(read(type, Fields.bytes(theirs))).isEqualTo(record);
        }
    }

    @Test
    void currentSchemasReadEveryReleasedOne() throws Exception {
        for (WireSchema type : WireSchema.ALL) {
            List<Path> released = released(type);
            assertThat(released).isNotEmpty();
            for (Path file : released) {
                Schema writer = new Schema.Parser().parse(Files.readString(file));
                assertThat(SchemaCompatibility.checkReaderWriterCompatibility(type.schema(), writer)
                                .getType())
                        .as(file.toString())
                        .isEqualTo(SchemaCompatibility.SchemaCompatibilityType.COMPATIBLE);
                GenericRecord record = new TestingRecords(3).record(writer);
                byte[] bytes =
                        Fields.bytes(new BinaryMessageEncoder<GenericRecord>(GenericData.get(), writer).encode(record));
                assertThat(type.wrote(bytes))
                        .as(file + " is known to the decoder")
                        .isTrue();
                assertThat(read(type, bytes).get(0)).isNotNull();
            }
        }
    }

    @Test
    void everyFieldIsDocumented() {
        for (WireSchema type : WireSchema.ALL) {
            assertThat(type.schema().getDoc()).isNotBlank();
            assertDocumented(type.schema());
        }
    }

    private static void assertDocumented(Schema schema) {
        switch (schema.getType()) {
            case RECORD ->
                schema.getFields().forEach(field -> {
                    assertThat(field.doc())
                            .as(schema.getName() + "." + field.name())
                            .isNotBlank();
                    assertDocumented(field.schema());
                });
            case ARRAY -> assertDocumented(schema.getElementType());
            case UNION -> schema.getTypes().forEach(WireSchemaTest::assertDocumented);
            default -> {}
        }
    }

    private static List<Path> released(WireSchema type) throws IOException {
        String prefix =
                type.schema().getName().replaceAll("(?<=[a-z])(?=[A-Z])", "_").toLowerCase(Locale.ROOT);
        try (var files = Files.list(RELEASED)) {
            return files.filter(file -> file.getFileName().toString().startsWith(prefix + "."))
                    .toList();
        }
    }

    private static GenericRecord read(WireSchema type, byte[] bytes) throws UnreadableException {
        return type.read(bytes);
    }
}
