package io.lychee.rerank.wire;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.domain.Unicode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;

/**
 * Reads and writes records of one type, by its schema and every released schema that a writer may have used. Immutable;
 * safe for any thread.
 *
 * <p>The bytes are Avro single-object encoding (C3 01, the fingerprint of the writer's schema in 8 bytes, the datum) or
 * plain JSON.
 */
public final class WireSchema {

    public static final WireSchema CANDIDATE_LIST = load("candidate_list", 1);
    public static final WireSchema RERANKED_LIST = load("reranked_list", 3);
    public static final WireSchema DEAD_LETTER = load("dead_letter", 1);
    public static final List<WireSchema> ALL = List.of(CANDIDATE_LIST, RERANKED_LIST, DEAD_LETTER);

    private static final int HEADER = 10;
    private static final HexFormat HEX = HexFormat.of();
    private static final UnknownFields UNKNOWN = new UnknownFields();

    private final Schema schema;
    private final Map<Long, Schema> writers;

    private WireSchema(Schema schema, Map<Long, Schema> writers) {
        this.schema = schema;
        this.writers = writers;
    }

    public Schema schema() {
        return schema;
    }

    /** Returns the schema of a nested record, enum or array. */
    public Schema schema(String field) {
        return schema.getField(field).schema();
    }

    public static byte[] encode(GenericRecord record, OutputFormat format) {
        return format == OutputFormat.JSON
                ? PlainJsonWriter.write(record)
                : avro(record, marker(record.getSchema())).toByteArray();
    }

    /** Returns the bytes that {@code item} takes in an array. */
    public static int size(GenericRecord item, OutputFormat format) {
        // 1 for the comma
        return format == OutputFormat.JSON
                ? PlainJsonWriter.write(item).length + 1
                : avro(item, new byte[0]).size();
    }

    private static ByteArrayOutputStream avro(GenericRecord record, byte[] marker) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(1024);
        bytes.writeBytes(marker);
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        try {
            new GenericDatumWriter<GenericRecord>(record.getSchema()).write(record, encoder);
            encoder.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes;
    }

    /** Returns the bytes that a record of this writer's schema starts with. */
    public static byte[] marker(Schema writer) {
        return ByteBuffer.allocate(HEADER)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) 0xC3)
                .put((byte) 0x01)
                .putLong(SchemaNormalization.parsingFingerprint64(writer))
                .array();
    }

    /**
     * Finds the released schema that is equal to {@code named}.
     *
     * @throws IOException when it is none of this type's
     */
    public Schema writer(Schema named) throws IOException {
        Schema writer = writers.get(SchemaNormalization.parsingFingerprint64(named));
        if (writer == null) {
            throw new IOException("Avro of the schema " + Unicode.cut(named.getFullName(), 100)
                    + "; expected a released" + " one of " + schema.getFullName() + " (schemas/)");
        }
        return writer;
    }

    static boolean isAvro(byte[] data) {
        return data.length >= 2 && (data[0] & 0xFF) == 0xC3 && data[1] == 0x01;
    }

    /** Returns the index where JSON begins, behind a byte-order mark and white space; -1 where it doesn't. */
    public static int startOfJson(byte[] data) {
        int at = startOfText(data);
        return at < data.length && data[at] == '{' ? at : -1;
    }

    public static boolean isBlank(byte[] data) {
        return startOfText(data) == data.length;
    }

    private static int startOfText(byte[] data) {
        int at = data.length >= 3 && (data[0] & 0xFF) == 0xEF && (data[1] & 0xFF) == 0xBB && (data[2] & 0xFF) == 0xBF
                ? 3
                : 0;
        while (at < data.length && (data[at] == ' ' || data[at] == '\t' || data[at] == '\r' || data[at] == '\n')) {
            at++;
        }
        return at;
    }

    /** Reads a record whose arrays have no limit but its size. */
    public GenericRecord read(byte[] data) throws UnreadableException {
        return read(data, Integer.MAX_VALUE, UNKNOWN);
    }

    /**
     * @param maxItems of an array of records, checked while it is read: a longer one costs no memory
     * @throws UnreadableException when {@code data} is not exactly one record of this type, in either form
     */
    GenericRecord read(byte[] data, int maxItems, UnknownFields unknown) throws UnreadableException {
        if (isAvro(data)) {
            return readAvro(data, maxItems);
        }
        int json = startOfJson(data);
        if (json < 0) {
            String first = HexFormat.ofDelimiter(" ").withUpperCase().formatHex(data, 0, Math.min(4, data.length));
            throw UnreadableException.undecodable(
                    "starts with " + first + "; expected C3 01 (Avro single-object encoding) or { (JSON)");
        }
        return PlainJsonReader.read(schema, data, json, maxItems, unknown);
    }

    /** Returns {@code max} for an array of records; other arrays have no limit. */
    static int maxItems(Schema array, int max) {
        return array.getElementType().getType() == Schema.Type.RECORD ? max : Integer.MAX_VALUE;
    }

    /** Tells whether {@code data} names one of this type's schemas. */
    public boolean wrote(byte[] data) {
        return isAvro(data) && data.length >= HEADER && writers.containsKey(fingerprint(data));
    }

    private GenericRecord readAvro(byte[] data, int maxItems) throws UnreadableException {
        if (data.length < HEADER) {
            throw UnreadableException.undecodable("Avro that ends within its header, after " + data.length + " bytes");
        }
        Schema writer = writers.get(fingerprint(data));
        if (writer == null) {
            throw UnreadableException.undecodable("Avro of an unknown schema, fingerprint "
                    + HEX.toHexDigits(fingerprint(data)) + "; known for " + schema.getName() + ": "
                    + writers.keySet().stream().map(HEX::toHexDigits).collect(Collectors.joining(", ")));
        }
        return AvroReader.read(writer, schema, data, HEADER, maxItems);
    }

    private static long fingerprint(byte[] data) {
        return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).getLong(2);
    }

    private static WireSchema load(String name, int released) {
        Schema current = parse("/schemas/" + name + ".avsc");
        Map<Long, Schema> writers = new LinkedHashMap<>();
        for (int version = 1; version <= released; version++) {
            Schema writer = parse("/schemas/released/" + name + "." + version + ".avsc");
            writers.put(SchemaNormalization.parsingFingerprint64(writer), writer);
        }
        writers.put(SchemaNormalization.parsingFingerprint64(current), current);
        return new WireSchema(current, Collections.unmodifiableMap(writers));
    }

    private static Schema parse(String resource) {
        try (InputStream in = WireSchema.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException(resource + " is not on the class path");
            }
            return new Schema.Parser().parse(in);
        } catch (IOException e) {
            throw new UncheckedIOException(resource, e);
        }
    }
}
