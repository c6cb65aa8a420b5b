package io.lychee.rerank.wire;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * One type of record on the wire: its schema, every released schema that a writer may have used, and the way from bytes
 * to a record and back. Immutable; safe for any thread.
 *
 * <p>The bytes are Avro single-object encoding (C3 01, the fingerprint of the writer's schema in 8 bytes, the datum) or
 * plain JSON.
 */
public final class WireSchema {

    public static final WireSchema CANDIDATE_LIST = load("candidate_list", 1);
    public static final WireSchema RERANKED_LIST = load("reranked_list", 2);
    public static final WireSchema DEAD_LETTER = load("dead_letter", 1);
    public static final List<WireSchema> ALL = List.of(CANDIDATE_LIST, RERANKED_LIST, DEAD_LETTER);

    private static final int HEADER = 10;

    private final Schema schema;
    private final Map<Long, Schema> writers;

    private WireSchema(Schema schema, Map<Long, Schema> writers) {
        this.schema = schema;
        this.writers = writers;
    }

    public Schema schema() {
        return schema;
    }

    /** The schema of a nested record, enum or array. */
    public Schema schema(String field) {
        return schema.getField(field).schema();
    }

    public byte[] toAvro(GenericRecord record) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(1024);
        bytes.writeBytes(marker(schema));
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        try {
            new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
            encoder.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** What a record of this writer's schema starts with. */
    public static byte[] marker(Schema writer) {
        return ByteBuffer.allocate(HEADER)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) 0xC3)
                .put((byte) 0x01)
                .putLong(SchemaNormalization.parsingFingerprint64(writer))
                .array();
    }

    /**
     * The released schema that {@code named} is.
     *
     * @throws IOException when it is none of this type's
     */
    public Schema writer(Schema named) throws IOException {
        Schema writer = writers.get(SchemaNormalization.parsingFingerprint64(named));
        if (writer == null) {
            throw new IOException("Avro of the schema " + Utf8.cut(named.getFullName(), 100) + "; expected a released"
                    + " one of " + schema.getFullName() + " (schemas/)");
        }
        return writer;
    }

    static boolean isAvro(byte[] data) {
        return data.length >= 2 && (data[0] & 0xFF) == 0xC3 && data[1] == 0x01;
    }

    /** Where JSON begins: behind a byte-order mark and white space; -1 where it doesn't. */
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

    /** @throws UnreadableException when {@code data} is not exactly one record of this type, in either form */
    public GenericRecord read(byte[] data, ItemLimit limit, UnknownFields unknown) throws UnreadableException {
        if (isAvro(data)) {
            return readAvro(data, limit);
        }
        int json = startOfJson(data);
        if (json < 0) {
            throw UnreadableException.undecodable(
                    "starts with " + firstBytes(data) + "; expected C3 01 (Avro single-object encoding) or { (JSON)");
        }
        return PlainJsonReader.read(schema, data, json, limit, unknown);
    }

    /** Whether {@code data} names one of this type's schemas. */
    public boolean wrote(byte[] data) {
        return isAvro(data) && data.length >= HEADER && writers.containsKey(fingerprint(data));
    }

    private GenericRecord readAvro(byte[] data, ItemLimit limit) throws UnreadableException {
        if (data.length < HEADER) {
            throw UnreadableException.undecodable("Avro that ends within its header, after " + data.length + " bytes");
        }
        Schema writer = writers.get(fingerprint(data));
        if (writer == null) {
            throw UnreadableException.undecodable("Avro of an unknown schema, fingerprint " + hex(fingerprint(data))
                    + "; known for " + schema.getName() + ": "
                    + writers.keySet().stream().map(WireSchema::hex).collect(Collectors.joining(", ")));
        }
        AvroCheck.check(writer, data, HEADER, limit);
        try {
            return new GenericDatumReader<GenericRecord>(writer, schema)
                    .read(null, DecoderFactory.get().binaryDecoder(data, HEADER, data.length - HEADER, null));
        } catch (IOException | RuntimeException e) {
            // checked above; what is left is a disagreement between Avro and the check
            throw UnreadableException.undecodable("Avro that can't be read: " + Utf8.cut(String.valueOf(e), 300));
        }
    }

    private static long fingerprint(byte[] data) {
        return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).getLong(2);
    }

    private static String hex(long fingerprint) {
        return String.format("%016x", fingerprint);
    }

    private static String firstBytes(byte[] data) {
        StringBuilder hex = new StringBuilder();
        for (int i = 0; i < Math.min(4, data.length); i++) {
            hex.append(i == 0 ? "" : " ").append(String.format("%02X", data[i]));
        }
        return hex.toString();
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
            Schema schema = new Schema.Parser().parse(in);
            readAsString(schema, Collections.newSetFromMap(new IdentityHashMap<>()));
            return schema;
        } catch (IOException e) {
            throw new UncheckedIOException(resource, e);
        }
    }

    /** Makes Avro read text as String; the fingerprint doesn't see it. */
    private static void readAsString(Schema schema, Set<Schema> done) {
        if (!done.add(schema)) {
            return;
        }
        switch (schema.getType()) {
            case STRING -> GenericData.setStringType(schema, GenericData.StringType.String);
            case MAP -> {
                GenericData.setStringType(schema, GenericData.StringType.String);
                readAsString(schema.getValueType(), done);
            }
            case ARRAY -> readAsString(schema.getElementType(), done);
            case UNION -> schema.getTypes().forEach(branch -> readAsString(branch, done));
            case RECORD -> schema.getFields().forEach(field -> readAsString(field.schema(), done));
            default -> {}
        }
    }
}
