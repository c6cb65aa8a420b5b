package io.lychee.rerank.wire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.lychee.rerank.domain.Unicode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/** A record as plain JSON, on one line, every field written; keys of maps in alphabetical order. */
public final class PlainJsonWriter {

    private static final JsonFactory JSON = new JsonFactory();

    private PlainJsonWriter() {}

    public static byte[] write(GenericRecord record) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(1024);
        try (JsonGenerator out = JSON.createGenerator(bytes)) {
            value(record.getSchema(), record, out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private static void value(Schema schema, @Nullable Object value, JsonGenerator out) throws IOException {
        if (value == null || (value instanceof Double number && !Double.isFinite(number))) {
            // JSON has no NaN and no infinity
            out.writeNull();
            return;
        }
        switch (schema.getType()) {
            case RECORD -> record((GenericRecord) value, out);
            case ARRAY -> {
                out.writeStartArray();
                for (Object item : (Collection<?>) value) {
                    value(schema.getElementType(), item, out);
                }
                out.writeEndArray();
            }
            case MAP -> map(schema.getValueType(), (Map<?, ?>) value, out);
            case UNION -> union(schema, value, out);
            case STRING -> out.writeString(Unicode.wellFormed(value.toString()));
            case ENUM -> out.writeString(value.toString());
            case BYTES -> out.writeString(Base64.getEncoder().encodeToString(bytes(value)));
            case INT -> out.writeNumber((int) value);
            case LONG -> out.writeNumber((long) value);
            case DOUBLE -> out.writeNumber((double) value);
            case BOOLEAN -> out.writeBoolean((boolean) value);
            default -> throw new IllegalStateException("no plain JSON for " + schema);
        }
    }

    private static void record(GenericRecord record, JsonGenerator out) throws IOException {
        out.writeStartObject();
        for (Schema.Field field : record.getSchema().getFields()) {
            out.writeFieldName(field.name());
            value(field.schema(), record.get(field.pos()), out);
        }
        out.writeEndObject();
    }

    private static void map(Schema schema, Map<?, ?> map, JsonGenerator out) throws IOException {
        Map<String, Object> sorted = new TreeMap<>();
        map.forEach((key, item) -> sorted.put(Unicode.wellFormed(key.toString()), item));
        out.writeStartObject();
        for (Map.Entry<String, Object> entry : sorted.entrySet()) {
            out.writeFieldName(entry.getKey());
            value(schema, entry.getValue(), out);
        }
        out.writeEndObject();
    }

    private static void union(Schema schema, Object value, JsonGenerator out) throws IOException {
        List<Schema> branches = schema.getTypes();
        if (value instanceof ByteBuffer && !schema.isNullable()) {
            out.writeString(DataUri.of(bytes(value)));
        } else {
            value(branches.get(GenericData.get().resolveUnion(schema, value)), value, out);
        }
    }

    /** A copy of what a buffer holds; the buffer stays as it is. */
    public static byte[] bytes(Object buffer) {
        ByteBuffer view = ((ByteBuffer) buffer).duplicate();
        byte[] bytes = new byte[view.remaining()];
        view.get(bytes);
        return bytes;
    }
}
