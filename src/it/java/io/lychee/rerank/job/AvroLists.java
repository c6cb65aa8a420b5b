package io.lychee.rerank.job;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.BinaryMessageEncoder;

/** Encodes candidate lists by their schema alone, so that makers of fixtures need none of the job's own code. */
final class AvroLists {

    private static final Schema SCHEMA = schema();

    private AvroLists() {}

    /**
     * Decodes a list.
     *
     * @throws IOException or an unchecked exception where it is none
     */
    static GenericRecord decode(byte[] list) throws IOException {
        return new BinaryMessageDecoder<GenericRecord>(GenericData.get(), SCHEMA).decode(list);
    }

    /** Encodes a candidate list that is written as JSON, with data URIs as bytes. */
    static byte[] encode(JsonNode list) {
        try {
            ByteBuffer encoded = new BinaryMessageEncoder<GenericRecord>(GenericData.get(), SCHEMA)
                    .encode((GenericRecord) toAvro(list, SCHEMA));
            byte[] bytes = new byte[encoded.remaining()];
            encoded.get(bytes);
            return bytes;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Object toAvro(JsonNode json, Schema schema) {
        return switch (schema.getType()) {
            case RECORD -> {
                GenericRecord record = new GenericData.Record(schema);
                schema.getFields()
                        .forEach(field -> record.put(field.name(), toAvro(json.path(field.name()), field.schema())));
                yield record;
            }
            case ARRAY -> {
                List<Object> items = new ArrayList<>();
                json.forEach(item -> items.add(toAvro(item, schema.getElementType())));
                yield items;
            }
            case MAP -> {
                Map<String, String> map = new HashMap<>();
                json.properties()
                        .forEach(entry ->
                                map.put(entry.getKey(), entry.getValue().asText()));
                yield map;
            }
            case UNION ->
                json.isMissingNode() || json.isNull()
                        ? null
                        : toAvro(json, schema.getTypes().get(schema.isNullable() ? 1 : 0));
            case INT -> json.asInt();
            case LONG -> json.asLong();
            case DOUBLE -> json.asDouble();
            default -> {
                String text = json.asText();
                yield text.startsWith("data:")
                        ? ByteBuffer.wrap(Base64.getDecoder().decode(text.substring(text.indexOf(',') + 1)))
                        : text;
            }
        };
    }

    private static Schema schema() {
        try {
            return new Schema.Parser().parse(Files.readString(Path.of("schemas/candidate_list.avsc")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
