package io.lychee.rerank.operator;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.AnswerEncoder;
import io.lychee.rerank.kafka.CandidateListDecoder;
import io.lychee.rerank.kafka.DeadLetterEncoder;
import io.lychee.rerank.kafka.Decoded;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.scoring.Arrival;
import io.lychee.rerank.scoring.Engines;
import java.time.Clock;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.streaming.api.functions.async.RichAsyncFunction;
import org.jspecify.annotations.Nullable;

/**
 * Decodes a record, hands its list to the engine and turns the answer into a record; what can't be decoded becomes a
 * dead letter. Never blocks the task thread: the operator's capacity is the only back-pressure.
 *
 * <p>The engine answers by itself when a deadline comes, so Flink's own timeout stays off. An engine that is dead fails
 * the task, and Flink replays the lists in flight.
 */
public final class RerankFunction extends RichAsyncFunction<SourceRecord, OutputRecord> {

    private static final long serialVersionUID = 1;

    private final RerankConfig config;
    private final EngineFactory engines;
    private final Lane lane;

    private transient @Nullable Stage stage;

    /** @param lane of all its records, for the metrics */
    public RerankFunction(RerankConfig config, EngineFactory engines, Lane lane) {
        this.config = config;
        this.engines = engines;
        this.lane = lane;
    }

    /** What exists between open and close. */
    private record Stage(
            CandidateListDecoder decoder,
            AnswerEncoder answers,
            DeadLetterEncoder deadLetters,
            Engines.Lease lease,
            RerankMetrics metrics) {}

    @Override
    public void open(OpenContext context) {
        Engines.Lease lease = engines.lease();
        CandidateListDecoder decoder = new CandidateListDecoder(config, Clock.systemUTC());
        stage = new Stage(
                decoder,
                new AnswerEncoder(config.kafka()),
                new DeadLetterEncoder(config.kafka()),
                lease,
                new RerankMetrics(getRuntimeContext().getMetricGroup(), lane, lease.engine(), decoder::unknownFields));
    }

    @Override
    public void asyncInvoke(SourceRecord record, ResultFuture<OutputRecord> result) {
        Stage s = open();
        Decoded decoded = s.decoder.decode(record);
        if (decoded instanceof Decoded.Refused refused) {
            s.metrics.deadLetter(refused.letter().reason());
            result.complete(List.of(s.deadLetters.encode(refused.letter())));
            return;
        }
        CandidateList list = ((Decoded.Taken) decoded).list();
        CompletableFuture<RerankedList> answer =
                s.lease.engine().submit(list, new Arrival(record.lane, record.timestamp, record.readAt));
        var unused = answer.whenComplete((reranked, error) -> {
            if (error != null) {
                result.completeExceptionally(error);
            } else {
                // the supplier runs on the task thread: encoding and metrics need no lock
                result.complete(() -> {
                    s.metrics.answered(reranked);
                    return List.of(s.answers.encode(reranked, record));
                });
            }
        });
    }

    private Stage open() {
        if (stage == null) {
            throw new IllegalStateException("asyncInvoke before open");
        }
        return stage;
    }

    @Override
    public void close() {
        if (stage != null) {
            stage.lease.close();
            stage = null;
        }
    }
}
