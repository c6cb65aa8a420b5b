package io.lychee.rerank.job;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.Placement;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.kafka.KafkaSinks;
import io.lychee.rerank.kafka.KafkaSources;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.kafka.TopicCheck;
import io.lychee.rerank.kafka.TrackedSource;
import io.lychee.rerank.operator.RerankFunction;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.task.Gpus;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.operators.SlotSharingGroup;
import org.apache.flink.client.deployment.application.executors.EmbeddedExecutor;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.DeploymentOptions;
import org.apache.flink.configuration.HighAvailabilityOptions;
import org.apache.flink.configuration.MetricOptions;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.streaming.api.datastream.AsyncDataStream;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamSource;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.LocalStreamEnvironment;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Builds the graph over Kafka. Each lane has its own source and rerank operator, because in one stream a backlog of one
 * lane would block the other; they meet in the engine.
 */
public final class RerankJob {

    private static final Logger LOG = LoggerFactory.getLogger(RerankJob.class);

    /** A slot with one GPU. Flink demands processor and heap as well; only the GPU is scarce. */
    private static final SlotSharingGroup ON_GPUS = SlotSharingGroup.newBuilder("rerank-on-" + Gpus.RESOURCE)
            .setCpuCores(0.1)
            .setTaskHeapMemoryMB(64)
            .setExternalResource(Gpus.RESOURCE, 1.0)
            .build();

    private static final String NAME = "lychee-rerank";

    private RerankJob() {}

    /**
     * Submits the job to a cluster: {@code flink run … --conf FILE -D KEY=VALUE}.
     *
     * @throws ConfigException when the configuration, the broker or a topic does not suit the job
     */
    public static void main(String[] args) throws Exception {
        RerankConfig config = read(args);
        new TopicCheck(config.kafka()).checkJob().forEach(LOG::warn);
        StreamExecutionEnvironment env = environment(config);
        requireCheckpointFiles(env);
        build(env, config, new QwenEngineFactory(config));
        if (resumes(env, config)) {
            executeFrom(JobFolder.open(config, false), env);
        } else {
            // in application mode the result can't be read
            var unused = env.execute(NAME);
        }
    }

    /** Tells whether this is a JobManager of application mode that is to resume from the job's own folder. */
    private static boolean resumes(StreamExecutionEnvironment env, RerankConfig config) {
        if (config.checkpointDir().isEmpty()
                || !EmbeddedExecutor.NAME.equals(env.getConfiguration().get(DeploymentOptions.TARGET))) {
            return false;
        }
        String mode = env.getConfiguration().get(HighAvailabilityOptions.HA_MODE);
        if (!mode.equalsIgnoreCase("none")) {
            throw new ConfigException(ConfigKeys.CHECKPOINT_DIR + " is " + config.checkpointDir() + " and "
                    + HighAvailabilityOptions.HA_MODE.key() + " is " + mode
                    + ", which resumes by itself; expected one of them");
        }
        return true;
    }

    /** Executes the job from the folder's last checkpoint, under the folder's id, until it ends. */
    private static void executeFrom(JobFolder opened, StreamExecutionEnvironment env) throws Exception {
        try (JobFolder folder = opened) {
            env.configure(folder.flink());
            StreamGraph graph = env.getStreamGraph();
            graph.setJobName(NAME);
            graph.setJobId(folder.id());
            LOG.info("{}: the last checkpoint is {}", folder, folder.last());
            var unused = env.execute(graph);
        }
    }

    /** Refuses Flink's default, the JobManager's heap, where a checkpoint above 5 MiB fails. */
    private static void requireCheckpointFiles(StreamExecutionEnvironment env) {
        if (!(env instanceof LocalStreamEnvironment)
                && env.getConfiguration()
                        .getOptional(CheckpointingOptions.CHECKPOINTS_DIRECTORY)
                        .isEmpty()) {
            throw new ConfigException(CheckpointingOptions.CHECKPOINTS_DIRECTORY.key()
                    + " is not set; expected storage that every process of the cluster reaches, in Flink's config.yaml"
                    + " or as -D " + ConfigKeys.FLINK_PREFIX + CheckpointingOptions.CHECKPOINTS_DIRECTORY.key());
        }
    }

    private static RerankConfig read(String[] args) {
        Path file = null;
        Map<String, String> keys = new HashMap<>();
        for (int i = 0; i < args.length; i += 2) {
            String value = i + 1 < args.length ? args[i + 1] : "";
            int equals = value.indexOf('=');
            if (args[i].equals("--conf") && !value.isEmpty()) {
                file = Path.of(value);
            } else if (args[i].equals("-D") && equals > 0) {
                keys.put(value.substring(0, equals), value.substring(equals + 1));
            } else {
                throw new ConfigException(args[i] + " " + value + "; expected --conf FILE and -D KEY=VALUE");
            }
        }
        // a process with a dead device would keep work from other task managers
        Map<String, String> values = RerankConfig.merge(file, Map.of(ConfigKeys.ON_DEATH, "exit"), keys);
        LOG.info(RerankConfig.describe(values));
        return RerankConfig.of(values);
    }

    /** Returns the cluster's environment when submitted to one, else one embedded in this process. */
    public static StreamExecutionEnvironment environment(RerankConfig config) {
        Configuration flink = settings(config, new Configuration());
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(flink);
        env.setParallelism(config.parallelism());
        if (env instanceof LocalStreamEnvironment) {
            requireFreePort(config);
        }
        return env;
    }

    /** Merges the settings of every job and {@code flink.*} over {@code defaults}. */
    static Configuration settings(RerankConfig config, Configuration defaults) {
        Configuration flink = new Configuration(defaults);
        // where the operator is not chained to its source, an aligned barrier would wait for whole lists
        flink.set(CheckpointingOptions.ENABLE_UNALIGNED, true);
        flink.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, config.checkpointInterval());
        // refuses a type that only Kryo can write when the job is built, not after a failure
        flink.set(PipelineOptions.GENERIC_TYPES, false);
        if (config.metricsPort() > 0) {
            reportMetrics(flink, config);
        }
        flink.addAll(Configuration.fromMap(config.flink()));
        // the sink has each answer that is emitted: the committed offsets rely on it
        flink.set(PipelineOptions.OPERATOR_CHAINING, true);
        return flink;
    }

    private static void reportMetrics(Configuration flink, RerankConfig config) {
        flink.set(MetricOptions.REPORTERS_LIST, "prometheus");
        Configuration reporter = MetricOptions.forReporter(flink, "prometheus");
        reporter.set(MetricOptions.REPORTER_FACTORY_CLASS, EmbeddedPrometheus.Factory.class.getName());
        reporter.setString(EmbeddedPrometheus.HOST, config.metricsHost());
        reporter.setString(EmbeddedPrometheus.PORT, Integer.toString(config.metricsPort()));
        // these ids change with each attempt, whose number tells the series apart
        reporter.set(MetricOptions.REPORTER_EXCLUDED_VARIABLES, "job_id;task_id;operator_id;task_attempt_id");
    }

    /** Refuses an address in use at once, since Flink itself would run without metrics. */
    static void requireFreePort(RerankConfig config) {
        int port = config.metricsPort();
        if (port == 0) {
            return;
        }
        String host = config.metricsHost();
        try (ServerSocket socket = new ServerSocket()) {
            InetAddress address = InetAddress.getByName(host);
            socket.bind(new InetSocketAddress(address, port));
            LOG.info("metrics for Prometheus at {}:{}", host, port);
            if (!address.isLoopbackAddress()) {
                LOG.warn("{} is {}: whoever reaches this machine reads the metrics", ConfigKeys.METRICS_HOST, host);
            }
        } catch (UnknownHostException e) {
            throw new ConfigException(
                    ConfigKeys.METRICS_HOST + " is " + host
                            + ", which is no address of this machine (expected 127.0.0.1)",
                    e);
        } catch (IOException e) {
            throw new ConfigException(
                    ConfigKeys.METRICS_PORT + " is " + port + ", which can't be used at " + ConfigKeys.METRICS_HOST
                            + " " + host + ": " + e.getMessage(),
                    e);
        }
    }

    /** Adds both lanes to {@code env}. */
    public static void build(StreamExecutionEnvironment env, RerankConfig config, EngineFactory engines) {
        for (Lane lane : Lane.values()) {
            String name = name(lane);
            DataStreamSource<SourceRecord> records =
                    env.fromSource(KafkaSources.lists(config, lane), WatermarkStrategy.noWatermarks(), name + " lists");
            if (config.placement() == Placement.GPU) {
                // rerank and sink follow: one chain, no hop over the network
                records.slotSharingGroup(ON_GPUS);
            }
            // answers and dead letters leave by one sink, which picks the topic
            rerank(records.uid(name + "-lists"), config, engines, lane, false)
                    .sinkTo(KafkaSinks.outputs(config.kafka(), lane, name))
                    .name(name + " outputs")
                    .uid(name + "-outputs");
        }
    }

    /** Adds the lane's operator, which keeps the order of its input where {@code ordered}. */
    static SingleOutputStreamOperator<OutputRecord> rerank(
            DataStream<SourceRecord> records, RerankConfig config, EngineFactory engines, Lane lane, boolean ordered) {
        RerankFunction function = new RerankFunction(config, engines, lane, ordered);
        int capacity = TrackedSource.capacity(config, lane);
        // without Flink's timeout: the engine answers at the deadline
        SingleOutputStreamOperator<OutputRecord> reranked = ordered
                ? AsyncDataStream.orderedWait(records, function, 0, TimeUnit.MILLISECONDS, capacity)
                : AsyncDataStream.unorderedWait(records, function, 0, TimeUnit.MILLISECONDS, capacity);
        String name = name(lane);
        return reranked.returns(OutputRecord.TYPE).name(name + " rerank").uid(name + "-rerank");
    }

    private static String name(Lane lane) {
        return lane == Lane.REALTIME ? "realtime" : "backfill";
    }
}
