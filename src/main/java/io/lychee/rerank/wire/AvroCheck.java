package io.lychee.rerank.wire;

import java.util.List;
import org.apache.avro.Schema;

/**
 * Walks one Avro datum before Avro itself reads it. Avro allocates what a length or count in the data says, and takes
 * any bytes for text; here every length is held against the bytes that are left, and text is checked to be UTF-8, so
 * that a flipped bit costs nothing but the record.
 */
public final class AvroCheck {

    private final byte[] data;
    private final ItemLimit limit;
    private final StringBuilder path = new StringBuilder();
    private int at;

    private AvroCheck(byte[] data, int from, ItemLimit limit) {
        this.data = data;
        this.at = from;
        this.limit = limit;
    }

    /**
     * @param schema the writer's
     * @throws UnreadableException when {@code data} from {@code from} to its end is not exactly one datum
     */
    static void check(Schema schema, byte[] data, int from, ItemLimit limit) throws UnreadableException {
        AvroCheck check = walk(schema, data, from, limit);
        if (check.at != data.length) {
            throw check.broken(check.left() + " bytes are left over behind the record");
        }
    }

    /** Where the datum ends that begins at {@code from}. */
    public static int end(Schema schema, byte[] data, int from, ItemLimit limit) throws UnreadableException {
        return walk(schema, data, from, limit).at;
    }

    private static AvroCheck walk(Schema schema, byte[] data, int from, ItemLimit limit) throws UnreadableException {
        AvroCheck check = new AvroCheck(data, from, limit);
        check.record(schema, true);
        return check;
    }

    private void value(Schema schema) throws UnreadableException {
        switch (schema.getType()) {
            case RECORD -> record(schema, false);
            case ARRAY -> items(schema.getElementType(), false, Integer.MAX_VALUE);
            case MAP -> items(schema.getValueType(), true, Integer.MAX_VALUE);
            case UNION -> union(schema.getTypes());
            case ENUM -> index(schema.getEnumSymbols().size());
            case STRING -> text();
            case BYTES -> skip(varint());
            case FIXED -> skip(schema.getFixedSize());
            case INT -> integer();
            case LONG -> varint();
            case FLOAT -> skip(Float.BYTES);
            case DOUBLE -> skip(Double.BYTES);
            case BOOLEAN -> flag();
            case NULL -> {}
        }
    }

    private void record(Schema schema, boolean outermost) throws UnreadableException {
        for (Schema.Field field : schema.getFields()) {
            int length = path.length();
            path.append(length == 0 ? "" : ".").append(field.name());
            if (outermost && field.schema().getType() == Schema.Type.ARRAY) {
                items(field.schema().getElementType(), false, limit.of(true, field.name()));
            } else {
                value(field.schema());
            }
            path.setLength(length);
        }
    }

    private void items(Schema schema, boolean keyed, int max) throws UnreadableException {
        long total = 0;
        for (long count = varint(); count != 0; count = varint()) {
            if (count < 0) {
                count = -count;
                long bytes = varint();
                if (bytes < 0 || bytes > left()) {
                    throw broken("a block of " + bytes + " bytes where " + left() + " are left");
                }
            }
            // every item of our schemas takes a byte at least
            if (count < 0 || count > left()) {
                throw broken(count + " items where " + left() + " bytes are left");
            }
            if (total + count > max) {
                throw limit.exceeded();
            }
            for (long i = 0; i < count; i++) {
                int length = path.length();
                path.append('[').append(total + i).append(']');
                if (keyed) {
                    text();
                }
                value(schema);
                path.setLength(length);
            }
            total += count;
        }
    }

    private void union(List<Schema> branches) throws UnreadableException {
        value(branches.get(index(branches.size())));
    }

    private void flag() throws UnreadableException {
        skip(1);
        if ((data[at - 1] & 0xFE) != 0) {
            throw broken("a boolean of " + data[at - 1]);
        }
    }

    private int index(int size) throws UnreadableException {
        long index = varint();
        if (index < 0 || index >= size) {
            throw broken("choice " + index + " of " + size);
        }
        return (int) index;
    }

    private void integer() throws UnreadableException {
        long value = varint();
        if (value != (int) value) {
            throw broken(value + " is no 32-bit integer");
        }
    }

    private void text() throws UnreadableException {
        int from = at;
        long length = varint();
        int start = at;
        skip(length);
        if (!Utf8.isUtf8(data, start, (int) length)) {
            throw broken("text that is not UTF-8 at byte " + from);
        }
    }

    private void skip(long bytes) throws UnreadableException {
        if (bytes < 0 || bytes > left()) {
            throw broken("a length of " + bytes + " bytes where " + left() + " are left");
        }
        at += (int) bytes;
    }

    private long varint() throws UnreadableException {
        long value = 0;
        for (int shift = 0; shift < Long.SIZE; shift += 7) {
            if (at == data.length) {
                throw broken("the record ends too early");
            }
            byte b = data[at++];
            value |= (b & 0x7FL) << shift;
            if (b >= 0) {
                return value >>> 1 ^ -(value & 1);
            }
        }
        throw broken("a number of more than 64 bits");
    }

    private int left() {
        return data.length - at;
    }

    private UnreadableException broken(String what) {
        return UnreadableException.undecodable(
                (path.isEmpty() ? "" : path + ": ") + what + " (Avro, byte " + at + " of " + data.length + ")");
    }
}
