package io.lychee.rerank.wire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonStreamContext;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.lychee.rerank.domain.DataUri;
import io.lychee.rerank.domain.Unicode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/**
 * Reads plain JSON as a record of one schema, streaming: it builds nothing but the record. Fields that are absent, or
 * null where null is not allowed, take the schema's default. Unknown fields are skipped and counted. A field that
 * occurs twice is an error. Of {@code [string, bytes]} a {@code data:} URI is the bytes, any other string the string, a
 * malformed URI included.
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
    private final int maxItems;
    private final UnknownFields unknown;

    private PlainJsonReader(JsonParser in, int maxItems, UnknownFields unknown) {
        this.in = in;
        this.maxItems = maxItems;
        this.unknown = unknown;
    }

    /**
     * @param maxItems of an array of records
     * @throws UnreadableException naming the path, what was expected and what was found
     */
    static GenericRecord read(Schema schema, byte[] data, int from, int maxItems, UnknownFields unknown)
            throws UnreadableException {
        var bytes = new ByteArrayInputStream(data, from, data.length - from);
        // a strict decoder: Jackson's own takes overlong forms and halves of surrogate pairs
        var text = new InputStreamReader(bytes, StandardCharsets.UTF_8.newDecoder());
        try (JsonParser parser = JSON.createParser(text)) {
            parser.nextToken();
            GenericRecord record = new PlainJsonReader(parser, maxItems, unknown).record(schema);
            if (parser.nextToken() != null) {
                throw UnreadableException.undecodable(
                        "more JSON behind the record, at byte " + byteAt(parser.currentTokenLocation(), data, from));
            }
            return record;
        } catch (UnreadableException e) {
            throw e;
        } catch (CharacterCodingException e) {
            throw UnreadableException.undecodable("JSON that is not UTF-8");
        } catch (JsonProcessingException e) {
            throw UnreadableException.undecodable("broken JSON at byte " + byteAt(e.getLocation(), data, from) + " of "
                    + (data.length - from) + ": " + Unicode.cut(e.getOriginalMessage(), 300));
        } catch (IOException e) {
            throw UnreadableException.undecodable("broken JSON: " + e.getMessage());
        }
    }

    private static int byteAt(JsonLocation location, byte[] data, int from) {
        String json = new String(data, from, data.length - from, StandardCharsets.UTF_8);
        int at = (int) Math.min(location.getCharOffset(), json.length());
        return json.substring(0, Math.max(at, 0)).getBytes(StandardCharsets.UTF_8).length;
    }

    private @Nullable Object value(Schema schema) throws IOException {
        return switch (schema.getType()) {
            case RECORD -> record(schema);
            case ARRAY -> array(schema);
            case MAP -> map(schema.getValueType());
            case UNION -> union(schema);
            case ENUM -> symbol(schema);
            case STRING -> string("a string");
            case BYTES -> bytes();
            case INT -> (int) integer(Integer.MIN_VALUE, Integer.MAX_VALUE);
            case LONG -> integer(Long.MIN_VALUE, Long.MAX_VALUE);
            case DOUBLE -> {
                require(in.currentToken().isNumeric() && Double.isFinite(in.getDoubleValue()), "a number");
                yield in.getDoubleValue();
            }
            case BOOLEAN -> {
                require(in.currentToken().isBoolean(), "true or false");
                yield in.currentToken() == JsonToken.VALUE_TRUE;
            }
            default -> throw new IllegalStateException("no plain JSON for " + schema);
        };
    }

    private GenericRecord record(Schema schema) throws IOException {
        require(in.hasToken(JsonToken.START_OBJECT), "an object");
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
            seen[field.pos()] = true;
            boolean absent =
                    in.nextToken() == JsonToken.VALUE_NULL && !field.schema().isNullable() && field.hasDefaultValue();
            record.put(field.pos(), absent ? defaultOf(field) : value(field.schema()));
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

    private List<@Nullable Object> array(Schema schema) throws IOException {
        require(in.hasToken(JsonToken.START_ARRAY), "an array");
        int max = WireSchema.maxItems(schema, maxItems);
        List<@Nullable Object> items = new ArrayList<>();
        while (in.nextToken() != JsonToken.END_ARRAY) {
            if (items.size() == max) {
                throw UnreadableException.tooManyCandidates(max);
            }
            items.add(value(schema.getElementType()));
        }
        return new GenericData.Array<>(schema, items);
    }

    private Map<String, @Nullable Object> map(Schema valueSchema) throws IOException {
        require(in.hasToken(JsonToken.START_OBJECT), "an object");
        Map<String, @Nullable Object> map = new HashMap<>();
        for (String name = in.nextFieldName(); name != null; name = in.nextFieldName()) {
            in.nextToken();
            if (map.put(Unicode.wellFormed(name), value(valueSchema)) != null) {
                throw UnreadableException.undecodable(path(in.getParsingContext()) + " occurs twice");
            }
        }
        return map;
    }

    /** Reads null, the one other type, or a picture. */
    private @Nullable Object union(Schema schema) throws IOException {
        if (schema.isNullable()) {
            return in.hasToken(JsonToken.VALUE_NULL)
                    ? null
                    : value(schema.getTypes().get(1));
        }
        String text = string("a reference or data: URI (a string)");
        byte[] data = DataUri.parse(text);
        return data == null ? text : ByteBuffer.wrap(data);
    }

    private Object symbol(Schema schema) throws IOException {
        String symbol = string("one of " + schema.getEnumSymbols());
        // one of a later release becomes the default, as in Avro
        String known = schema.hasEnumSymbol(symbol) ? symbol : schema.getEnumDefault();
        if (known == null) {
            throw expected("one of " + schema.getEnumSymbols());
        }
        return new GenericData.EnumSymbol(schema, known);
    }

    private String string(String what) throws IOException {
        require(in.hasToken(JsonToken.VALUE_STRING), what);
        return Unicode.wellFormed(in.getText());
    }

    private ByteBuffer bytes() throws IOException {
        String text = string("base64 (a string)");
        try {
            return ByteBuffer.wrap(Base64.getDecoder().decode(text));
        } catch (IllegalArgumentException e) {
            throw expected("base64");
        }
    }

    private long integer(long min, long max) throws IOException {
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

    private void require(boolean found, String what) throws IOException {
        if (!found) {
            throw expected(what);
        }
    }

    private UnreadableException expected(String what) throws IOException {
        JsonToken token = in.currentToken();
        JsonStreamContext context = in.getParsingContext();
        String found = token == null ? "nothing" : Unicode.cut(in.getText(), 60);
        if (token == JsonToken.VALUE_STRING) {
            found = "the string \"" + found + "\"";
        } else if (token == JsonToken.START_OBJECT || token == JsonToken.START_ARRAY) {
            found = token == JsonToken.START_OBJECT ? "an object" : "an array";
            context = context.getParent();
        }
        String path = path(context);
        return UnreadableException.undecodable(
                (path.isEmpty() ? "the record" : path) + ": expected " + what + ", found " + found);
    }

    /** Returns the path of the current value: {@code candidates[3].id}. */
    private static String path(@Nullable JsonStreamContext context) {
        if (context == null || context.inRoot()) {
            return "";
        }
        String parent = path(context.getParent());
        if (context.inArray()) {
            return parent + "[" + context.getCurrentIndex() + "]";
        }
        String name = Unicode.cut(String.valueOf(context.getCurrentName()), 60);
        return parent.isEmpty() ? name : parent + "." + name;
    }
}
