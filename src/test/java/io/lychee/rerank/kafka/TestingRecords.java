package io.lychee.rerank.kafka;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/** Random records of a schema, and records as they come from a topic. */
public final class TestingRecords {

    public static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T12:00:00Z"), ZoneOffset.UTC);

    private static final String[] PIECES = {
        "a", "cream blazer", "é", "漢字", "\uD83D\uDE00", "\"", "\\", "\n", "\u0000", "\u2028", "<|im_end|>", "1", " "
    };

    private final Random random;

    public TestingRecords(long seed) {
        this.random = new Random(seed);
    }

    public static SourceRecord source(byte @Nullable [] value) {
        SourceRecord record = new SourceRecord();
        record.hold("k".getBytes(StandardCharsets.UTF_8), value, Headers.NONE, 8 << 20);
        record.source = "rerank.requests";
        record.partition = 3;
        record.offset = 42;
        record.timestamp = 1_000;
        return record;
    }

    public static SourceRecord source(String value) {
        return source(value.getBytes(StandardCharsets.UTF_8));
    }

    public GenericRecord record(Schema schema) {
        GenericRecord record = new GenericData.Record(schema);
        for (Schema.Field field : schema.getFields()) {
            record.put(field.name(), field.name().equals("request_id") ? requestId() : value(field.schema()));
        }
        return record;
    }

    public String requestId() {
        return "q-" + random.nextInt(1_000_000);
    }

    private @Nullable Object value(Schema schema) {
        return switch (schema.getType()) {
            case RECORD -> record(schema);
            case ARRAY -> {
                List<Object> items = new ArrayList<>();
                for (int i = random.nextInt(4); i > 0; i--) {
                    items.add(value(schema.getElementType()));
                }
                yield new GenericData.Array<>(schema, items);
            }
            case MAP -> {
                Map<String, Object> map = new HashMap<>();
                for (int i = random.nextInt(4); i > 0; i--) {
                    map.put(text(), value(schema.getValueType()));
                }
                yield map;
            }
            case UNION ->
                value(schema.getTypes().get(random.nextInt(schema.getTypes().size())));
            case ENUM ->
                new GenericData.EnumSymbol(
                        schema,
                        schema.getEnumSymbols()
                                .get(random.nextInt(schema.getEnumSymbols().size())));
            case STRING -> text();
            case BYTES -> {
                byte[] bytes = new byte[random.nextInt(20)];
                random.nextBytes(bytes);
                yield ByteBuffer.wrap(bytes);
            }
            case INT -> random.nextBoolean() ? random.nextInt() : Integer.valueOf(1);
            case LONG -> random.nextBoolean() ? random.nextLong() : Long.valueOf(1);
            case DOUBLE ->
                random.nextInt(8) == 0
                        ? Double.valueOf(-0.0)
                        : random.nextGaussian() * Math.pow(10, random.nextInt(40));
            case BOOLEAN -> random.nextBoolean();
            case NULL -> null;
            default -> throw new IllegalStateException(schema.toString());
        };
    }

    private String text() {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(5); i > 0; i--) {
            text.append(PIECES[random.nextInt(PIECES.length)]);
        }
        return text.toString();
    }
}
