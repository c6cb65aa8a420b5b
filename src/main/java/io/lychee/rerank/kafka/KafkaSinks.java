package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import java.util.Properties;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.kafka.clients.producer.ProducerConfig;

/** Builds the sink of each lane's answers and dead letters. */
public final class KafkaSinks {

    private static final int DEFAULT_BUFFER_BYTES = 32 * 1024 * 1024;

    private KafkaSinks() {}

    /**
     * Builds a sink with the delivery of {@code kafka}. At least once, a record is acknowledged before the checkpoint
     * that covers it is complete; exactly once, it belongs to a transaction that ends with that checkpoint.
     *
     * @param name part of the ids of transactions, which two sinks must not share
     */
    public static KafkaSink<OutputRecord> outputs(RerankConfig.Kafka kafka, Lane lane, String name) {
        String results = topic(kafka, lane);
        String deadLetters = kafka.deadLettersTopic();
        return KafkaSink.<OutputRecord>builder()
                .setKafkaProducerConfig(producer(kafka, lane))
                .setRecordSerializer((record, context, timestamp) -> record.toProducerRecord(results, deadLetters))
                .setDeliveryGuarantee(DeliveryGuarantee.valueOf(kafka.delivery().name()))
                .setTransactionalIdPrefix(kafka.groupId() + "-" + name)
                .build();
    }

    /** Returns the topic of a lane's answers. */
    public static String topic(RerankConfig.Kafka kafka, Lane lane) {
        return lane == Lane.REALTIME ? kafka.resultsTopic() : kafka.backfillResultsTopic();
    }

    /** Sets room for the largest record, and a linger for backfill only. */
    static Properties producer(RerankConfig.Kafka kafka, Lane lane) {
        Properties properties = new Properties();
        properties.setProperty(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, Integer.toString(kafka.maxRecordBytes()));
        properties.setProperty(
                ProducerConfig.BUFFER_MEMORY_CONFIG,
                Long.toString(Math.max(DEFAULT_BUFFER_BYTES, 2L * kafka.maxRecordBytes())));
        properties.setProperty(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        properties.setProperty(ProducerConfig.LINGER_MS_CONFIG, lane == Lane.REALTIME ? "0" : "20");
        properties.putAll(kafka.properties());
        properties.setProperty(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, kafka.bootstrapServers());
        properties.setProperty(
                ProducerConfig.TRANSACTION_TIMEOUT_CONFIG,
                Long.toString(kafka.transactionTimeout().toMillis()));
        return properties;
    }
}
