package io.lychee.rerank.job;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.InFlight;
import io.lychee.rerank.scoring.EngineFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.api.common.JobID;
import org.apache.flink.client.deployment.executors.LocalExecutor;
import org.apache.flink.configuration.BlobServerOptions;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.JobManagerOptions;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.apache.flink.util.FileUtils;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs one job on a Flink cluster of this process, which listens on loopback only and takes no other job. Checkpoints
 * are files: of a folder that the environment names, or of a temporary one.
 */
public final class EmbeddedFlink implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedFlink.class);
    private static final String LOOPBACK = "127.0.0.1";
    private static final Duration CLOSE = Duration.ofSeconds(20);
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    private final LoopbackCluster cluster;
    private final JobClient client;
    private final String checkpoints;
    private final @Nullable Path temporary;

    private EmbeddedFlink(LoopbackCluster cluster, JobClient client, String checkpoints, @Nullable Path temporary) {
        this.cluster = cluster;
        this.client = client;
        this.checkpoints = checkpoints;
        this.temporary = temporary;
    }

    /** Starts a job whose checkpoints end with it. */
    public static EmbeddedFlink start(RerankConfig config, EngineFactory engines, String name) throws Exception {
        StreamExecutionEnvironment env = RerankJob.environment(config);
        RerankJob.build(env, config, engines);
        return start(env, name, new JobID());
    }

    /** Starts the environment's job, from the folder's last checkpoint where it has one. */
    public static EmbeddedFlink start(RerankConfig config, EngineFactory engines, JobFolder folder) throws Exception {
        StreamExecutionEnvironment env = RerankJob.environment(config);
        env.configure(folder.flink());
        RerankJob.build(env, config, engines);
        return start(env, "lychee-rerank", folder.id());
    }

    static EmbeddedFlink start(StreamExecutionEnvironment env, String name, JobID id) throws Exception {
        Configuration flink = new Configuration((Configuration) env.getConfiguration());
        for (var address : List.of(
                RestOptions.BIND_ADDRESS,
                RestOptions.ADDRESS,
                JobManagerOptions.ADDRESS,
                JobManagerOptions.BIND_HOST,
                TaskManagerOptions.HOST,
                TaskManagerOptions.BIND_HOST)) {
            flink.set(address, LOOPBACK);
        }
        flink.set(RestOptions.BIND_PORT, "0");
        // nothing goes by way of the blob server
        flink.set(BlobServerOptions.OFFLOAD_MINSIZE, Integer.MAX_VALUE);
        Path temporary = null;
        if (!flink.contains(CheckpointingOptions.CHECKPOINTS_DIRECTORY)) {
            temporary = Files.createTempDirectory(Path.of(System.getProperty("java.io.tmpdir")), "lychee-checkpoints-");
            flink.set(
                    CheckpointingOptions.CHECKPOINTS_DIRECTORY,
                    temporary.toUri().toString());
        }
        flink.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        env.configure(flink);
        StreamGraph graph = env.getStreamGraph();
        graph.setJobName(name);
        graph.setJobId(id);
        CompletableFuture<LoopbackCluster> cluster = new CompletableFuture<>();
        try {
            JobClient client = LocalExecutor.createWithFactory(flink, configuration -> {
                        cluster.complete(new LoopbackCluster(configuration));
                        return cluster.join();
                    })
                    .execute(graph, flink, EmbeddedFlink.class.getClassLoader())
                    .get();
            return new EmbeddedFlink(
                    cluster.join(), client, flink.get(CheckpointingOptions.CHECKPOINTS_DIRECTORY), temporary);
        } catch (Exception e) {
            delete(temporary);
            throw e;
        }
    }

    /** Completes when the job ends, exceptionally when it fails. */
    public CompletableFuture<JobExecutionResult> result() {
        return client.getJobExecutionResult();
    }

    /** Reads the job's accumulators and savepoints. */
    public JobClient client() {
        return client;
    }

    /**
     * Stops taking records, answers those in flight, commits, and ends the job with a savepoint beside its checkpoints.
     *
     * @return records that were not answered in time; then nothing more was committed and the job was cancelled
     */
    public long drain(Duration timeout) throws Exception {
        String job = client.getJobID().toHexString();
        InFlight.drain(job);
        long until = System.nanoTime() + timeout.toNanos();
        LockSupport.parkNanos(LOOK_NANOS); // for a record that a source emits at this moment
        while (System.nanoTime() < until && !result().isDone()) {
            if (InFlight.records(job) > 0) {
                LockSupport.parkNanos(LOOK_NANOS);
                continue;
            }
            try {
                client.stopWithSavepoint(false, checkpoints, SavepointFormatType.CANONICAL)
                        .get(until - System.nanoTime(), TimeUnit.NANOSECONDS);
                result().get(Math.max(0, until - System.nanoTime()), TimeUnit.NANOSECONDS);
                return 0;
            } catch (ExecutionException | TimeoutException e) {
                LOG.warn("the last checkpoint failed: {}", e.toString());
                break;
            }
        }
        long open = InFlight.records(job);
        cancel();
        return Math.max(1, open);
    }

    private void cancel() {
        if (!result().isDone()) {
            try {
                await(client.cancel(), "the job is not cancelled");
            } catch (IllegalStateException e) {
                // a cluster ends with its job, a moment before the result is known
                LOG.info("the embedded Flink has ended already: {}", e.toString());
            }
        }
    }

    /** Cancels the job where it still runs, and deletes temporary checkpoints. Returns in bounded time. */
    @Override
    public void close() throws IOException {
        cancel();
        await(cluster.closeAsync(), "the embedded Flink has not ended");
        InFlight.ended(client.getJobID().toHexString());
        delete(temporary);
    }

    private static void await(CompletableFuture<?> end, String failure) {
        try {
            end.get(CLOSE.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            LOG.info("{}: {}", failure, e.toString());
        }
    }

    private static void delete(@Nullable Path temporary) throws IOException {
        if (temporary != null) {
            FileUtils.deleteDirectory(temporary.toFile());
        }
    }
}
