package io.lychee.rerank.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.typeutils.PojoTypeInfo;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.junit.jupiter.api.Test;

/** What flows through Flink needs no Kryo, and comes out of a checkpoint as it went in. */
class StreamTypesTest {

    @Test
    void recordsArePojosWithEveryField() {
        for (TypeInformation<?> type : new TypeInformation<?>[] {SourceRecord.TYPE, OutputRecord.TYPE}) {
            assertThat(type).isInstanceOf(PojoTypeInfo.class);
            assertThat(((PojoTypeInfo<?>) type).getFieldNames())
                    .containsExactlyInAnyOrder(Arrays.stream(type.getTypeClass().getFields())
                            .filter(field -> !Modifier.isStatic(field.getModifiers()))
                            .map(Field::getName)
                            .toArray(String[]::new));
            SerializerConfigImpl config = new SerializerConfigImpl();
            config.setGenericTypes(false);
            assertThat(type.createSerializer(config)).isNotNull();
        }
    }

    @Test
    void nullsAndEmptyArraysSurvive() throws Exception {
        SourceRecord record = TestingRecords.source((byte[]) null);
        record.key = null;
        record.headerNames = new String[] {"a", "a"};
        record.headerValues = new byte[2][];
        record.headerValues[1] = new byte[] {7};
        assertThat(copy(SourceRecord.TYPE, record)).usingRecursiveComparison().isEqualTo(record);

        OutputRecord output = new OutputRecord();
        output.value = new byte[] {1};
        output.headerNames = record.headerNames;
        output.headerValues = record.headerValues;
        assertThat(copy(OutputRecord.TYPE, output)).usingRecursiveComparison().isEqualTo(output);
    }

    private static <T> T copy(TypeInformation<T> type, T value) throws Exception {
        TypeSerializer<T> serializer = type.createSerializer(new SerializerConfigImpl());
        DataOutputSerializer out = new DataOutputSerializer(64);
        serializer.serialize(serializer.copy(value), out);
        return serializer.deserialize(new DataInputDeserializer(out.getCopyOfBuffer()));
    }
}
