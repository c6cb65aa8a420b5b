package io.lychee.rerank.wire;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/** Builds records of our schemas, and reads their fields. */
public final class Fields {

    private Fields() {}

    /** Builds a record from the values of its fields, in the schema's order. */
    public static GenericRecord record(Schema schema, @Nullable Object... values) {
        GenericRecord record = new GenericData.Record(schema);
        for (int i = 0; i < values.length; i++) {
            Object value = values[i];
            record.put(
                    i,
                    value instanceof Enum<?> constant
                            ? symbol(schema.getFields().get(i).schema(), constant)
                            : value);
        }
        return record;
    }

    /** Returns a value as the type that its schema gives it; text and keys of maps are String. */
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals", "NullAway"}) // as the schema says
    public static <T extends @Nullable Object> T get(GenericRecord record, String field) {
        return (T) record.get(field);
    }

    /** Returns a copy of the bytes of a field; null for null. */
    public static byte @Nullable [] bytes(GenericRecord record, String field) {
        ByteBuffer value = get(record, field);
        return value == null ? null : bytes(value);
    }

    /** Copies the bytes that are left in {@code buffer}, whose position stays. */
    static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(buffer.position(), bytes);
        return bytes;
    }

    /** Returns a constant; null for null, and for symbols that the enum doesn't have. */
    public static <E extends Enum<E>> @Nullable E constant(Class<E> type, GenericRecord record, String field) {
        String symbol = String.valueOf(record.get(field));
        return Arrays.stream(type.getEnumConstants())
                .filter(constant -> constant.name().equals(symbol))
                .findFirst()
                .orElse(null);
    }

    private static GenericData.EnumSymbol symbol(Schema schema, Enum<?> constant) {
        Schema type = schema.isUnion() ? schema.getTypes().get(1) : schema;
        return new GenericData.EnumSymbol(type, type.hasEnumSymbol(constant.name()) ? constant.name() : "OTHER");
    }
}
