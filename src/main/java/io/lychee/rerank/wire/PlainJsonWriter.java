package io.lychee.rerank.wire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.lychee.rerank.domain.DataUri;
import io.lychee.rerank.domain.Unicode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/** Writes a record as plain JSON, on one line, with every field; keys of maps are in alphabetical order. */
final class PlainJsonWriter {

    private static final JsonFactory JSON = new JsonFactory();

    private PlainJsonWriter() {}

    static byte[] write(GenericRecord record) {
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
            case RECORD -> {
                GenericRecord record = (GenericRecord) value;
                out.writeStartObject();
                for (Schema.Field field : schema.getFields()) {
                    out.writeFieldName(field.name());
                    value(field.schema(), record.get(field.pos()), out);
                }
                out.writeEndObject();
            }
            case ARRAY -> {
                out.writeStartArray();
                for (Object item : (Collection<?>) value) {
                    value(schema.getElementType(), item, out);
                }
                out.writeEndArray();
            }
            case MAP -> {
                Map<String, Object> sorted = new TreeMap<>();
                ((Map<?, ?>) value).forEach((key, item) -> sorted.put(Unicode.wellFormed(key.toString()), item));
                out.writeStartObject();
                for (Map.Entry<String, Object> entry : sorted.entrySet()) {
                    out.writeFieldName(entry.getKey());
                    value(schema.getValueType(), entry.getValue(), out);
                }
                out.writeEndObject();
            }
            case UNION -> {
                if (value instanceof ByteBuffer image && !schema.isNullable()) {
                    out.writeString(DataUri.of(Fields.bytes(image)));
                } else {
                    value(schema.getTypes().get(GenericData.get().resolveUnion(schema, value)), value, out);
                }
            }
            case STRING -> out.writeString(Unicode.wellFormed(value.toString()));
            case ENUM -> out.writeString(value.toString());
            case BYTES -> out.writeBinary(Fields.bytes((ByteBuffer) value));
            case INT -> out.writeNumber((int) value);
            case LONG -> out.writeNumber((long) value);
            case DOUBLE -> out.writeNumber((double) value);
            case BOOLEAN -> out.writeBoolean((boolean) value);
            default -> throw new IllegalStateException("no plain JSON for " + schema);
        }
    }
}
