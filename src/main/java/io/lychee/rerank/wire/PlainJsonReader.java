package io.lychee.rerank.wire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonStreamContext;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.lychee.rerank.domain.Unicode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;

/**
 * Plain JSON to a record of one schema, streaming: nothing is built but the record. Fields that are absent (or null
 * where null is not allowed) take the schema's default, unknown ones are skipped and counted, a field that occurs twice
 * is an error: which one was meant can't be known. Of {@code [string, bytes]} a {@code data:} URI is the bytes, any
 * other string the string, a malformed URI included.
 */
final class PlainJsonReader {

    /** Larger whole numbers are no longer exact in a double. */
    private static final double EXACT = 1L << 53;

    // a record's size is limited before it comes here; nesting stays at Jackson's 1,000
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .build();

    private final JsonParser in;
    private final ItemLimit limit;
    private final UnknownFields unknown;

    private PlainJsonReader(JsonParser in, ItemLimit limit, UnknownFields unknown) {
        this.in = in;
        this.limit = limit;
        this.unknown = unknown;
    }

    /** @throws UnreadableException naming the path, what was expected and what was found */
    static GenericRecord read(Schema schema, byte[] data, int from, ItemLimit limit, UnknownFields unknown)
            throws UnreadableException {
        if (!Utf8.isUtf8(data, from, data.length - from)) {
            throw UnreadableException.undecodable("JSON that is not UTF-8");
        }
        try (JsonParser parser = JSON.createParser(data, from, data.length - from)) {
            PlainJsonReader reader = new PlainJsonReader(parser, limit, unknown);
            parser.nextToken();
            GenericRecord record = reader.record(schema, true);
            if (parser.nextToken() != null) {
                throw UnreadableException.undecodable("more JSON behind the record, at byte "
                        + parser.currentTokenLocation().getByteOffset());
            }
            return record;
        } catch (JsonProcessingException e) {
            throw UnreadableException.undecodable("broken JSON at byte "
                    + (e.getLocation() == null ? "?" : e.getLocation().getByteOffset()) + " of " + (data.length - from)
                    + ": " + Utf8.cut(e.getOriginalMessage(), 300));
        } catch (IOException e) {
            throw UnreadableException.undecodable("broken JSON: " + e.getMessage());
        }
    }

    private Object value(Schema schema) throws IOException, UnreadableException {
        return switch (schema.getType()) {
            case RECORD -> record(schema, false);
            case ARRAY -> array(schema, Integer.MAX_VALUE);
            case MAP -> map(schema);
            case UNION -> union(schema.getTypes());
            case ENUM -> symbol(schema);
            case STRING -> string("a string");
            case BYTES -> bytes();
            case INT -> (int) integer(Integer.MIN_VALUE, Integer.MAX_VALUE);
            case LONG -> integer(Long.MIN_VALUE, Long.MAX_VALUE);
            case DOUBLE -> number();
            case BOOLEAN -> bool();
            default -> throw new IllegalStateException("no plain JSON for " + schema);
        };
    }

    private GenericRecord record(Schema schema, boolean outermost) throws IOException, UnreadableException {
        require(JsonToken.START_OBJECT, "an object");
        GenericData.Record record = new GenericData.Record(schema);
        boolean[] seen = new boolean[schema.getFields().size()];
        for (String name = in.nextFieldName(); name != null; name = in.nextFieldName()) {
            Schema.Field field = schema.getField(name);
            if (field == null) {
                unknown.seen(schema.getName(), name);
                in.nextToken();
                in.skipChildren();
                continue;
            }
            if (seen[field.pos()]) {
                throw UnreadableException.undecodable(path(in.getParsingContext()) + " occurs twice");
            }
            JsonToken token = in.nextToken();
            seen[field.pos()] = true;
            if (token == JsonToken.VALUE_NULL && !field.schema().isNullable() && field.hasDefaultValue()) {
                record.put(field.pos(), defaultOf(field));
            } else if (field.schema().getType() == Schema.Type.ARRAY) {
                record.put(field.pos(), array(field.schema(), limit.of(outermost, name)));
            } else if (token == JsonToken.VALUE_NULL && field.schema().isNullable()) {
                record.put(field.pos(), null);
            } else {
                record.put(field.pos(), value(field.schema()));
            }
        }
        for (Schema.Field field : schema.getFields()) {
            if (!seen[field.pos()]) {
                if (!field.hasDefaultValue()) {
                    String parent = path(in.getParsingContext());
                    throw UnreadableException.undecodable(
                            (parent.isEmpty() ? "" : parent + ".") + field.name() + " is missing");
                }
                record.put(field.pos(), defaultOf(field));
            }
        }
        return record;
    }

    private static Object defaultOf(Schema.Field field) {
        // Avro hands out one shared object
        return GenericData.get().deepCopy(field.schema(), GenericData.get().getDefaultValue(field));
    }

    private List<Object> array(Schema schema, int max) throws IOException, UnreadableException {
        require(JsonToken.START_ARRAY, "an array");
        List<Object> items = new ArrayList<>();
        while (in.nextToken() != JsonToken.END_ARRAY) {
            if (items.size() == max) {
                throw limit.exceeded();
            }
            items.add(value(schema.getElementType()));
        }
        return new GenericData.Array<>(schema, items);
    }

    private Map<String, Object> map(Schema schema) throws IOException, UnreadableException {
        require(JsonToken.START_OBJECT, "an object");
        Map<String, Object> map = new HashMap<>();
        for (String name = in.nextFieldName(); name != null; name = in.nextFieldName()) {
            in.nextToken();
            if (map.put(Unicode.wellFormed(name), value(schema.getValueType())) != null) {
                throw UnreadableException.undecodable(path(in.getParsingContext()) + " occurs twice");
            }
        }
        return map;
    }

    /** Null was taken before; what is left is one type, or a picture. */
    private Object union(List<Schema> branches) throws IOException, UnreadableException {
        List<Schema> others =
                branches.stream().filter(b -> b.getType() != Schema.Type.NULL).toList();
        if (others.size() == 1) {
            return value(others.get(0));
        }
        String text = string("a reference or data: URI (a string)");
        byte[] data = DataUri.parse(text);
        return data == null ? text : ByteBuffer.wrap(data);
    }

    private Object symbol(Schema schema) throws IOException, UnreadableException {
        String symbol = string("one of " + schema.getEnumSymbols());
        if (schema.hasEnumSymbol(symbol)) {
            return new GenericData.EnumSymbol(schema, symbol);
        }
        if (schema.getEnumDefault() == null) {
            throw expected("one of " + schema.getEnumSymbols());
        }
        // as Avro resolves a symbol of a later release
        return new GenericData.EnumSymbol(schema, schema.getEnumDefault());
    }

    private String string(String what) throws IOException, UnreadableException {
        require(JsonToken.VALUE_STRING, what);
        return Unicode.wellFormed(in.getText());
    }

    private ByteBuffer bytes() throws IOException, UnreadableException {
        String text = string("base64 (a string)");
        try {
            return ByteBuffer.wrap(Base64.getDecoder().decode(text));
        } catch (IllegalArgumentException e) {
            throw expected("base64");
        }
    }

    private long integer(long min, long max) throws IOException, UnreadableException {
        JsonToken token = in.currentToken();
        if (token == JsonToken.VALUE_NUMBER_INT) {
            JsonParser.NumberType type = in.getNumberType();
            if (type != JsonParser.NumberType.BIG_INTEGER && in.getLongValue() >= min && in.getLongValue() <= max) {
                return in.getLongValue();
            }
        } else if (token == JsonToken.VALUE_NUMBER_FLOAT) {
            // data frames write whole numbers as 2.0 once a column has gaps
            double value = in.getDoubleValue();
            if (value == Math.rint(value) && Math.abs(value) <= EXACT && value >= min && value <= max) {
                return (long) value;
            }
        }
        throw expected("a whole number from " + min + " to " + max);
    }

    private double number() throws IOException, UnreadableException {
        if (in.currentToken().isNumeric()) {
            double value = in.getDoubleValue();
            if (Double.isFinite(value)) {
                return value;
            }
        }
        throw expected("a number");
    }

    private boolean bool() throws UnreadableException, IOException {
        if (in.currentToken().isBoolean()) {
            return in.currentToken() == JsonToken.VALUE_TRUE;
        }
        throw expected("true or false");
    }

    private void require(JsonToken token, String what) throws IOException, UnreadableException {
        if (in.currentToken() != token) {
            throw expected(what);
        }
    }

    private UnreadableException expected(String what) throws IOException {
        JsonToken token = in.currentToken();
        String found;
        if (token == null) {
            found = "nothing";
        } else if (token == JsonToken.START_OBJECT) {
            found = "an object";
        } else if (token == JsonToken.START_ARRAY) {
            found = "an array";
        } else if (token == JsonToken.VALUE_STRING) {
            found = "the string \"" + Utf8.cut(in.getText(), 60) + "\"";
        } else {
            found = Utf8.cut(in.getText(), 60);
        }
        JsonStreamContext context = in.getParsingContext();
        boolean opened = token == JsonToken.START_OBJECT || token == JsonToken.START_ARRAY;
        String path = path(opened ? context.getParent() : context);
        return UnreadableException.undecodable(
                (path.isEmpty() ? "the record" : path) + ": expected " + what + ", found " + found);
    }

    /** Of the value that the parser stands at: {@code candidates[3].id}. */
    private static String path(JsonStreamContext context) {
        if (context == null || context.inRoot()) {
            return "";
        }
        String parent = path(context.getParent());
        if (context.inArray()) {
            return parent + "[" + context.getCurrentIndex() + "]";
        }
        String name = Utf8.cut(String.valueOf(context.getCurrentName()), 60);
        return parent.isEmpty() ? name : parent + "." + name;
    }
}
