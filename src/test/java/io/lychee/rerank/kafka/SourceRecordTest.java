package io.lychee.rerank.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.Lane;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SourceRecordTest {

    private static final long NOW = 1_790_000_000_000L;

    @ParameterizedTest
    @CsvSource({
        "1790000000000,true", // now
        "1789999999000,true",
        "1790003600000,true", // an hour ahead
        "946684800000,true", // the year 2000
        "-1,true", // none
        "1790003600001,false",
        "946684799999,false",
        "0,false",
        "1790000000,false", // seconds
        "1790000000000000,false", // microseconds
        "1790000000000000000,false", // nanoseconds
        "9223372036854775807,false"
    })
    void aTimestampIsMillisecondsOfOurTime(long timestamp, boolean plausible) {
        SourceRecord record = SourceRecord.line("file", 0, new byte[0], NOW);
        record.timestamp = timestamp;
        assertThat(record.hasPlausibleTimestamp()).isEqualTo(plausible);
    }

    @ParameterizedTest
    @CsvSource({"-1", "-1790000000000", "-9223372036854775808"})
    void aNegativeOneIsNone(long timestamp) {
        ConsumerRecord<byte[], byte[]> read = new ConsumerRecord<>(
                "t",
                0,
                0,
                timestamp,
                TimestampType.CREATE_TIME,
                0,
                0,
                null,
                new byte[0],
                new RecordHeaders(),
                Optional.empty());
        assertThat(SourceRecordDeserializer.read(read, Lane.REALTIME, 100, NOW).timestamp)
                .isEqualTo(-1);
    }
}
