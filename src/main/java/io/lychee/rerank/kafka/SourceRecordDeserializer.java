package io.lychee.rerank.kafka;

import io.lychee.rerank.domain.Lane;
import java.time.Clock;
import java.util.Arrays;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/** Reads every record undecoded: an exception here would stop the job at the same offset again and again. */
final class SourceRecordDeserializer implements KafkaRecordDeserializationSchema<SourceRecord> {

    private static final long serialVersionUID = 1;

    private final Lane lane;
    private final int maxRecordBytes;

    SourceRecordDeserializer(Lane lane, int maxRecordBytes) {
        this.lane = lane;
        this.maxRecordBytes = maxRecordBytes;
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> in, Collector<SourceRecord> out) {
        out.collect(read(in, lane, maxRecordBytes, Clock.systemUTC().millis()));
    }

    static SourceRecord read(ConsumerRecord<byte[], byte[]> in, Lane lane, int maxRecordBytes, long now) {
        Header[] all = in.headers().toArray();
        String[] names = Arrays.stream(all).map(Header::key).toArray(String[]::new);
        byte[][] values = Arrays.stream(all).map(Header::value).toArray(byte[][]::new);
        SourceRecord record = new SourceRecord();
        record.hold(in.key(), in.value(), new Headers(names, values), maxRecordBytes);
        record.source = in.topic();
        record.partition = in.partition();
        record.offset = in.offset();
        record.timestamp = in.timestamp() < 0 ? -1 : in.timestamp();
        record.readAt = now;
        record.lane = lane;
        return record;
    }

    @Override
    public TypeInformation<SourceRecord> getProducedType() {
        return SourceRecord.TYPE;
    }
}
