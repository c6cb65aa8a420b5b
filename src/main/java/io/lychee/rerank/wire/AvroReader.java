package io.lychee.rerank.wire;

import io.lychee.rerank.domain.Unicode;
import java.io.EOFException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.Decoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.ResolvingDecoder;
import org.apache.avro.util.Utf8;
import org.jspecify.annotations.Nullable;

/**
 * Reads one Avro datum strictly. Avro itself holds lengths and counts against the bytes that are left. This class adds
 * a limit on arrays of records, the path in messages, and the checks of values that Avro mends: text that is not UTF-8,
 * booleans beyond 1, integers beyond 32 bits.
 */
final class AvroReader extends GenericDatumReader<GenericRecord> {

    /** Without the fast reader, which calls none of the methods below. */
    private static final GenericData DATA = new GenericData().setFastReaderEnabled(false);

    private final byte[] data;
    private final int maxItems;
    private final Utf8 buffer = new Utf8();
    private final StringBuilder path = new StringBuilder();

    private AvroReader(Schema writer, Schema reader, byte[] data, int maxItems) {
        super(writer, reader, DATA);
        this.data = data;
        this.maxItems = maxItems;
    }

    /**
     * @param maxItems of an array of records
     * @throws UnreadableException when {@code data} from {@code from} to its end is not exactly one datum
     */
    static GenericRecord read(Schema writer, Schema reader, byte[] data, int from, int maxItems)
            throws UnreadableException {
        AvroReader datum = new AvroReader(writer, reader, data, maxItems);
        BinaryDecoder in = DecoderFactory.get().binaryDecoder(data, from, data.length - from, null);
        try {
            GenericRecord record = datum.read(null, in);
            if (in.remainingBytes() > 0) {
                throw new IOException(in.remainingBytes() + " bytes are left over behind the record");
            }
            return record;
        } catch (UnreadableException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            String message = e.getMessage() == null ? "the record ends too early" : Unicode.cut(e.getMessage(), 300);
            throw UnreadableException.undecodable((datum.path.isEmpty() ? "" : datum.path + ": ") + message
                    + " (Avro, byte " + (data.length - in.remainingBytes()) + " of " + data.length + ")");
        }
    }

    @Override
    protected void readField(
            Object record, Schema.Field field, @Nullable Object old, ResolvingDecoder in, @Nullable Object state)
            throws IOException {
        int length = path.length();
        path.append(length == 0 ? "" : ".").append(field.name());
        ((IndexedRecord) record).put(field.pos(), read(null, field.schema(), in));
        path.setLength(length);
    }

    @Override
    protected Object readArray(@Nullable Object old, Schema schema, ResolvingDecoder in) throws IOException {
        List<Object> items = new ArrayList<>();
        int length = path.length();
        int max = WireSchema.maxItems(schema, maxItems);
        for (long count = in.readArrayStart(); count > 0; count = in.arrayNext()) {
            // every item of our schemas takes a byte at least
            if (count > in.remainingBytes()) {
                throw new EOFException(count + " items where " + in.remainingBytes() + " bytes are left");
            }
            if (items.size() + count > max) {
                throw UnreadableException.tooManyCandidates(max);
            }
            for (long i = 0; i < count; i++) {
                path.append('[').append(items.size()).append(']');
                items.add(read(null, schema.getElementType(), in));
                path.setLength(length);
            }
        }
        return new GenericData.Array<>(schema, items);
    }

    @Override
    protected Object readInt(@Nullable Object old, Schema schema, Decoder in) throws IOException {
        int left = in.remainingBytes();
        Object value = super.readInt(old, schema, in);
        if (left - in.remainingBytes() == 5 && lastByte(in) > 0x0F) {
            throw new IOException("no 32-bit integer");
        }
        return value;
    }

    @Override
    protected @Nullable Object readWithoutConversion(@Nullable Object old, Schema schema, ResolvingDecoder in)
            throws IOException {
        Object value = super.readWithoutConversion(old, schema, in);
        if (schema.getType() == Schema.Type.BOOLEAN && lastByte(in) > 1) {
            throw new IOException("a boolean of " + lastByte(in));
        }
        return value;
    }

    private int lastByte(Decoder in) throws IOException {
        return data[data.length - in.remainingBytes() - 1] & 0xFF;
    }

    /** Reads text, and keys of maps, as a String. */
    @Override
    protected Object readString(@Nullable Object old, Schema schema, Decoder in) throws IOException {
        String text = in.readString(buffer).toString();
        if (text.indexOf(Unicode.REPLACEMENT) >= 0 && !new Utf8(text).equals(buffer)) {
            throw new IOException("text that is not UTF-8");
        }
        return text;
    }
}
