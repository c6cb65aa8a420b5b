package io.lychee.rerank.wire;

import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/** Typed access to the fields of a record that was read with one of our schemas. */
public final class Fields {

    private Fields() {}

    public static String text(GenericRecord record, String field) {
        return record.get(field).toString();
    }

    public static @Nullable String optionalText(GenericRecord record, String field) {
        Object value = record.get(field);
        return value == null ? null : value.toString();
    }

    public static long number(GenericRecord record, String field) {
        return (long) record.get(field);
    }

    @SuppressWarnings("unchecked") // our schemas have maps of strings only, read as String
    static Map<String, String> map(GenericRecord record, String field) {
        return (Map<String, String>) record.get(field);
    }

    @SuppressWarnings("unchecked") // the schema says so
    public static List<GenericRecord> records(GenericRecord record, String field) {
        return (List<GenericRecord>) record.get(field);
    }

    /** Null for null, and for symbols that the enum doesn't have. */
    public static <E extends Enum<E>> @Nullable E symbol(Class<E> type, GenericRecord record, String field) {
        Object symbol = record.get(field);
        for (E constant : type.getEnumConstants()) {
            if (symbol != null && constant.name().equals(symbol.toString())) {
                return constant;
            }
        }
        return null;
    }

    /** @param schema the enum's, or the union of null and the enum */
    public static GenericData.@Nullable EnumSymbol symbol(Schema schema, @Nullable Enum<?> constant) {
        if (constant == null) {
            return null;
        }
        Schema type = schema.isUnion() ? schema.getTypes().get(1) : schema;
        return new GenericData.EnumSymbol(type, type.hasEnumSymbol(constant.name()) ? constant.name() : "OTHER");
    }
}
