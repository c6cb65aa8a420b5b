package io.lychee.rerank.operator;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.Placement;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.kafka.InFlight;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.ranking.Ranking;
import io.lychee.rerank.ranking.RuleAttributes;
import io.lychee.rerank.ranking.Rules;
import io.lychee.rerank.records.AnswerEncoder;
import io.lychee.rerank.records.CandidateListDecoder;
import io.lychee.rerank.records.DeadLetter;
import io.lychee.rerank.records.DeadLetterCodec;
import io.lychee.rerank.scoring.Arrival;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.task.Gpus;
import io.lychee.rerank.task.ListMetrics;
import io.lychee.rerank.wire.UnreadableException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.streaming.api.functions.async.RichAsyncFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decodes a record, hands its list to the engine, ranks the scores and emits the answer. A record that can't be decoded
 * becomes a dead letter. Never blocks the task thread: the operator's capacity is the only back-pressure.
 *
 * <p>The engine answers by itself at a deadline, so Flink's own timeout stays off. An engine that is dead fails the
 * task, and Flink replays the lists in flight.
 */
public final class RerankFunction extends RichAsyncFunction<SourceRecord, OutputRecord>
        implements CheckpointedFunction {

    private static final long serialVersionUID = 1;
    private static final Logger LOG = LoggerFactory.getLogger(RerankFunction.class);

    private final RerankConfig config;
    private final EngineFactory engines;
    private final Lane lane;
    private final Rules rules;
    private final boolean ordered;

    private transient volatile @Nullable Opened opened; // null again once closed: engine threads read it
    private transient boolean restored;

    /**
     * @param lane of all its records, for the metrics
     * @param ordered whether its operator emits answers in the order of the records
     * @throws ConfigException when the configured rules are none
     */
    public RerankFunction(RerankConfig config, EngineFactory engines, Lane lane, boolean ordered) {
        this.config = config;
        this.engines = engines;
        this.lane = lane;
        this.ordered = ordered;
        this.rules = Rules.parse(config.rules());
    }

    /** The parts that live between open and close. */
    private record Opened(
            CandidateListDecoder decoder,
            AnswerEncoder answers,
            DeadLetterCodec deadLetters,
            RuleAttributes attributes,
            EngineRegistry.Lease lease,
            InFlight inFlight,
            ListMetrics metrics,
            RecordMetrics records) {}

    @Override
    public void open(OpenContext context) {
        int attempt = getRuntimeContext().getTaskInfo().getAttemptNumber();
        if (attempt > 0) {
            LOG.warn("restarted {} times; lists in flight are replayed from the last checkpoint", attempt);
        }
        try {
            opened = start();
        } catch (ConfigException e) {
            // lists wait for a job that goes on: then Flink tries again
            throw restored ? e : new SuppressRestartsException(e);
        }
    }

    private Opened start() {
        requireSame(
                EngineRegistry.class.getPackage().getImplementationVersion(),
                RerankFunction.class.getPackage().getImplementationVersion());
        CandidateListDecoder decoder = new CandidateListDecoder(config);
        EngineRegistry.Lease lease = engines.lease(gpus());
        InFlight inFlight = InFlight.of(getRuntimeContext().getMetricGroup());
        ListMetrics metrics = new ListMetrics(getRuntimeContext().getMetricGroup(), lane, lease.engines());
        return new Opened(
                decoder,
                new AnswerEncoder(config.kafka()),
                new DeadLetterCodec(config.kafka()),
                new RuleAttributes(rules),
                lease,
                inFlight,
                metrics,
                new RecordMetrics(metrics, lane, decoder::unknownFields, inFlight::bytes));
    }

    /** Compares the builds of the engine jar in Flink's lib/ and of the job jar; both are null outside of jars. */
    static void requireSame(@Nullable String engine, @Nullable String job) {
        if (!Objects.equals(engine, job)) {
            throw new ConfigException(
                    "the engine jar in Flink's lib/ is %s, the job jar was built with %s; expected both from one build"
                            .formatted(engine, job));
        }
    }

    private List<Integer> gpus() {
        var found = getRuntimeContext().getExternalResourceInfos(Gpus.RESOURCE);
        if (found.isEmpty() && config.placement() == Placement.GPU) {
            throw new ConfigException("job.placement is gpu, and the discovery script of this task manager found no GPU"
                    + " although its configuration promises Flink's external resource " + Gpus.RESOURCE
                    + "; its log says why. job.placement=any and model.device=cpu do without");
        }
        return Gpus.numbers(found);
    }

    @Override
    public void initializeState(FunctionInitializationContext context) {
        restored = context.isRestored();
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) {
        // the operator keeps what is in flight
    }

    @Override
    public void asyncInvoke(SourceRecord record, ResultFuture<OutputRecord> result) {
        Opened o = opened();
        o.inFlight.add(record);
        CandidateList list;
        try {
            list = o.decoder.decode(record);
        } catch (UnreadableException e) {
            o.records.deadLetter(e.reason());
            DeadLetter letter = new DeadLetter(e.reason(), String.valueOf(e.getMessage()), record, Instant.now());
            result.complete(() -> {
                o.inFlight.remove(record, ordered);
                return List.of(o.deadLetters.encode(letter));
            });
            return;
        }
        o.attributes.check(list);
        var unused = o.lease.submit(list, arrival(o, record)).whenComplete((scored, error) -> {
            if (error == null) {
                // the supplier runs on the task thread: ranking, encoding and metrics need no lock
                result.complete(() -> List.of(answer(o, record, list, scored)));
            } else if (opened != null) {
                result.completeExceptionally(error);
            } // else the last lease has ended the engine, and the list is in the checkpoint
        });
    }

    private OutputRecord answer(Opened o, SourceRecord record, CandidateList list, ScoredList scored) {
        o.inFlight.remove(record, ordered);
        RerankedList reranked = Ranking.rank(list, scored, rules);
        if (!CandidateList.isHeartbeat(reranked.requestId())) {
            o.metrics.answered(reranked);
        }
        return o.answers.encode(reranked, record);
    }

    private Arrival arrival(Opened o, SourceRecord record) {
        boolean plausible = record.hasPlausibleTimestamp();
        if (!plausible) {
            o.records.implausibleTimestamp(record);
        }
        Duration timeout = record.lane == Lane.REALTIME
                ? config.lanes().realtimeTimeout()
                : config.lanes().backfillTimeout();
        return new Arrival(record.lane, plausible ? record.timestamp : -1, record.readAt, timeout.toMillis());
    }

    private Opened opened() {
        Opened o = opened;
        if (o == null) {
            throw new IllegalStateException("asyncInvoke before open");
        }
        return o;
    }

    @Override
    public void close() {
        Opened closing = opened;
        opened = null;
        if (closing != null) {
            closing.inFlight.close();
            closing.attributes.close();
            closing.lease.close();
        }
    }
}
