package io.lychee.rerank.kafka;

import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.jspecify.annotations.Nullable;

/** An output as a record of the topic it belongs to. */
final class OutputRecordSerializer implements KafkaRecordSerializationSchema<OutputRecord> {

    private static final long serialVersionUID = 1;

    private final String results;
    private final String deadLetters;

    OutputRecordSerializer(String results, String deadLetters) {
        this.results = results;
        this.deadLetters = deadLetters;
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(
            OutputRecord output, KafkaSinkContext context, @Nullable Long timestamp) {
        return record(output);
    }

    /** Without a timestamp of its own: consumers see when the answer was sent, not when its list was. */
    ProducerRecord<byte[], byte[]> record(OutputRecord output) {
        var record = new ProducerRecord<>(output.deadLetter ? deadLetters : results, output.key, output.value);
        for (int i = 0; i < output.headerNames.length; i++) {
            record.headers().add(output.headerNames[i], output.headerValues[i]);
        }
        return record;
    }
}
