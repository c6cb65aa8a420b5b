package io.lychee.rerank.operator;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.Placement;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.AnswerEncoder;
import io.lychee.rerank.kafka.CandidateListDecoder;
import io.lychee.rerank.kafka.DeadLetterCodec;
import io.lychee.rerank.kafka.Decoded;
import io.lychee.rerank.kafka.InFlight;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.scoring.Arrival;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.Rules;
import java.time.Clock;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.externalresource.ExternalResourceInfo;
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
 * Decodes a record, hands its list to the engine and turns the answer into a record; what can't be decoded becomes a
 * dead letter. Never blocks the task thread: the operator's capacity is the only back-pressure.
 *
 * <p>The engine answers by itself when a deadline comes, so Flink's own timeout stays off. An engine that is dead fails
 * the task, and Flink replays the lists in flight.
 */
public final class RerankFunction extends RichAsyncFunction<SourceRecord, OutputRecord>
        implements CheckpointedFunction {

    private static final long serialVersionUID = 1;
    private static final Logger LOG = LoggerFactory.getLogger(RerankFunction.class);

    /** Name of Flink's external resource, in {@code external-resources} of its configuration. */
    public static final String GPU = "gpu";

    private final RerankConfig config;
    private final EngineFactory engines;
    private final Lane lane;
    private final boolean ordered;

    private transient volatile @Nullable Stage stage; // null again once closed: read where answers come
    private transient boolean restored;

    /**
     * @param lane of all its records, for the metrics
     * @param ordered whether its operator emits answers in the order of the records
     */
    public RerankFunction(RerankConfig config, EngineFactory engines, Lane lane, boolean ordered) {
        this.config = config;
        this.engines = engines;
        this.lane = lane;
        this.ordered = ordered;
    }

    /** What exists between open and close. */
    private record Stage(
            CandidateListDecoder decoder,
            AnswerEncoder answers,
            DeadLetterCodec deadLetters,
            EngineRegistry.Lease lease,
            InFlight inFlight,
            RerankMetrics metrics,
            RuleAttributes attributes) {}

    @Override
    public void open(OpenContext context) {
        int attempt = getRuntimeContext().getTaskInfo().getAttemptNumber();
        if (attempt > 0) {
            LOG.warn("restarted {} times; lists in flight are replayed from the last checkpoint", attempt);
        }
        EngineRegistry.Lease lease = lease();
        InFlight inFlight = InFlight.of(getRuntimeContext().getMetricGroup());
        CandidateListDecoder decoder = new CandidateListDecoder(config, Clock.systemUTC());
        stage = new Stage(
                decoder,
                new AnswerEncoder(config.kafka()),
                new DeadLetterCodec(config.kafka()),
                lease,
                inFlight,
                new RerankMetrics(
                        getRuntimeContext().getMetricGroup(),
                        lane,
                        lease.engines(),
                        decoder::unknownFields,
                        inFlight::bytes),
                new RuleAttributes(Rules.parse(config.rules()).attributes()));
    }

    /** What can't start is refused at once, unless lists would wait for it: then it is tried again. */
    private EngineRegistry.Lease lease() {
        try {
            requireSame(
                    EngineRegistry.class.getPackage().getImplementationVersion(),
                    RerankFunction.class.getPackage().getImplementationVersion());
            return engines.lease(gpus());
        } catch (ConfigException e) {
            throw restored ? e : new SuppressRestartsException(e);
        }
    }

    /** The engine is in Flink's lib/, this class in the job jar; outside of jars neither says what it is. */
    static void requireSame(@Nullable String engine, @Nullable String job) {
        if (!Objects.equals(engine, job)) {
            throw new ConfigException(
                    "the engine jar in Flink's lib/ is %s, the job jar was built with %s; expected both from one build"
                            .formatted(engine, job));
        }
    }

    private List<Integer> gpus() {
        var found = getRuntimeContext().getExternalResourceInfos(GPU);
        if (found.isEmpty() && config.placement() == Placement.GPU) {
            throw new ConfigException("job.placement is gpu, and the discovery script of this task manager found no GPU"
                    + " although its configuration promises Flink's external resource " + GPU
                    + "; its log says why. job.placement=any and model.device=cpu do without");
        }
        return found.stream().map(RerankFunction::index).sorted().toList();
    }

    private static int index(ExternalResourceInfo gpu) {
        String index = gpu.getProperty("index").orElse("none");
        try {
            return Integer.parseInt(index);
        } catch (NumberFormatException e) {
            throw new ConfigException(
                    "Flink's external resource " + GPU + " has the index " + index + "; expected a number", e);
        }
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
        Stage s = open();
        s.inFlight.add(record);
        Decoded decoded = s.decoder.decode(record);
        if (decoded instanceof Decoded.Refused refused) {
            s.metrics.deadLetter(refused.letter().reason());
            result.complete(() -> {
                s.inFlight.remove(record, ordered);
                return List.of(s.deadLetters.encode(refused.letter()));
            });
            return;
        }
        CandidateList list = ((Decoded.Taken) decoded).list();
        s.attributes.see(list);
        CompletableFuture<RerankedList> answer = s.lease.submit(list, arrival(s, record));
        var unused = answer.whenComplete((reranked, error) -> {
            if (error != null) {
                // closing the last lease ends the engine; what was in flight then lies in the checkpoint
                if (stage != null) {
                    result.completeExceptionally(error);
                }
            } else {
                // the supplier runs on the task thread: encoding and metrics need no lock
                result.complete(() -> {
                    s.inFlight.remove(record, ordered);
                    if (!CandidateList.isHeartbeat(reranked.requestId())) {
                        s.metrics.answered(reranked);
                    }
                    return List.of(s.answers.encode(reranked, record));
                });
            }
        });
    }

    private static Arrival arrival(Stage s, SourceRecord record) {
        boolean plausible = record.hasPlausibleTimestamp();
        if (!plausible) {
            s.metrics.implausibleTimestamp(record);
        }
        return new Arrival(record.lane, plausible ? record.timestamp : -1, record.readAt);
    }

    private Stage open() {
        Stage s = stage;
        if (s == null) {
            throw new IllegalStateException("asyncInvoke before open");
        }
        return s;
    }

    @Override
    public void close() {
        Stage closing = stage;
        stage = null;
        if (closing != null) {
            closing.inFlight.close();
            closing.attributes.close();
            closing.lease.close();
        }
    }
}
