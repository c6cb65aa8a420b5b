package io.lychee.rerank.job;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.stream.Stream;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.kafka.common.TopicPartition;

/** Writes the files of {@link StateFixtureTest} with the build that it runs in. */
final class StateFixtureMaker {

    private StateFixtureMaker() {}

    public static void main(String[] args) throws Exception {
        for (String delivery : new String[] {"at-least-once", "exactly-once"}) {
            Path folder = StateFixtureTest.FOLDER.resolve(delivery);
            try (HeldJob held = new HeldJob()) {
                Path checkpoints = held.broker.folder().resolve("state");
                held.keys.put("kafka.delivery-guarantee", delivery);
                held.keys.put(
                        "flink.execution.checkpointing.dir", checkpoints.toUri().toString());
                held.keys.put(
                        "flink.execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
                // all state goes into _metadata, which then names no other file
                held.keys.put("flink.execution.checkpointing.data-inline-threshold", "1 mb");
                make(held, folder);
                copy(checkpoints, folder.resolve("checkpoint"));
            }
        }
    }

    /** Runs a job until its lists are in flight, and takes the savepoint. */
    private static void make(HeldJob held, Path folder) throws Exception {
        held.release();
        send(held, 0, StateFixtureTest.ANSWERED);
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "fixture")) {
            while (!StateFixtureTest.committed(held).equals(StateFixtureTest.offsets(StateFixtureTest.ANSWERED))) {
                held.awaitCommit();
            }
            held.hold();
            send(held, StateFixtureTest.ANSWERED, StateFixtureTest.READ);
            HeldJob.await(() -> HeldJob.inFlight(job) == StateFixtureTest.IN_FLIGHT);
            // no answer belongs to an open transaction, which another broker would not know
            held.awaitCommit();
            Path savepoints = held.broker.folder().resolve("savepoints");
            job.client()
                    .triggerSavepoint(savepoints.toUri().toString(), SavepointFormatType.CANONICAL)
                    .get();
            copy(savepoints, folder.resolve("savepoint"));
            held.awaitCommit();
        }
    }

    private static void send(HeldJob held, int from, int to) throws Exception {
        try (var producer = StateFixtureTest.producer(held)) {
            for (TopicPartition partition : StateFixtureTest.INPUTS) {
                for (int offset = from; offset < to; offset++) {
                    byte[] json = StateFixtureTest.json(
                            StateFixtureTest.id(partition, offset), offset == StateFixtureTest.EMPTY ? 0 : 2);
                    byte[] list = offset % 4 < 2 ? json : AvroLists.encode(new ObjectMapper().readTree(json));
                    producer.send(StateFixtureTest.record(partition, offset, list))
                            .get();
                }
            }
        }
    }

    private static void copy(Path from, Path to) throws Exception {
        try (Stream<Path> files = Files.walk(from)) {
            Path metadata = files.filter(file -> file.endsWith("_metadata"))
                    .reduce((first, second) -> {
                        throw new IllegalStateException("both " + first + " and " + second + "; expected one");
                    })
                    .orElseThrow();
            Files.createDirectories(to);
            Files.copy(metadata, to.resolve("_metadata"), StandardCopyOption.REPLACE_EXISTING);
        }
    }
}
