package io.lychee.rerank.job;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.IntFunction;
import java.util.zip.GZIPOutputStream;
import org.apache.flink.util.FileUtils;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Writes the files of {@link RecordedAnswersTest} with the build that it runs in.
 *
 * <p>Without arguments it makes the inputs anew; with {@code outcomes} it only runs those that are there.
 */
final class RecordedAnswersMaker {

    private static final long SEED = 20261122;

    /** Bound on the rounding of a logit, and of a score beside 1; both with a wide margin. */
    private static final double LOGIT_ROUNDING = 1e-4;

    private static final double SCORE_ROUNDING = 2e-7;

    private static final double[] THRESHOLDS = {0.001, 0.5};

    private record Kind(int count, IntFunction<byte[]> generator) {

        /** Returns how many to generate, because some are left out. */
        int generated() {
            return count * 3 / 2;
        }
    }

    private RecordedAnswersMaker() {}

    public static void main(String[] args) throws Exception {
        System.out.println("seed " + SEED);
        List<ProducerRecord<byte[], byte[]>> inputs;
        if (args.length == 0) {
            inputs = inputs();
            write(inputs);
        } else {
            inputs = RecordedAnswersTest.readInputs();
        }
        List<JsonNode> outcomes = run(inputs);
        try (var out = new GZIPOutputStream(Files.newOutputStream(RecordedAnswersTest.OUTCOMES))) {
            for (JsonNode outcome : outcomes) {
                out.write((outcome + "\n").getBytes(StandardCharsets.UTF_8));
            }
        }
        Map<String, Integer> summary = new TreeMap<>();
        outcomes.forEach(outcome -> summarize(outcome, summary));
        summary.forEach((what, count) -> System.out.println(count + " " + what));
    }

    private static List<JsonNode> run(List<ProducerRecord<byte[], byte[]>> inputs) throws Exception {
        Path images = Files.createTempDirectory("lychee-recorded-");
        try {
            return RecordedAnswersTest.outcomes(inputs, images);
        } finally {
            FileUtils.deleteDirectory(images.toFile());
        }
    }

    private static void summarize(JsonNode outcome, Map<String, Integer> summary) {
        String list = "%s %s %s%s"
                .formatted(
                        outcome.path("topic").asText(),
                        outcome.path("status").asText(),
                        outcome.path("reason").asText(),
                        outcome.path("shortened").isTextual() ? " shortened" : "");
        summary.merge(list, 1, Integer::sum);
        for (JsonNode candidate : candidates(outcome)) {
            String one = "candidates %s %s %s%s"
                    .formatted(
                            candidate.path("status").asText(),
                            candidate.path("reason").asText(),
                            candidate.path("rules"),
                            candidate.path("truncated").asBoolean() ? " truncated" : "");
            summary.merge(one, 1, Integer::sum);
        }
    }

    private static List<JsonNode> candidates(JsonNode outcome) {
        List<JsonNode> candidates = new ArrayList<>();
        outcome.path("results").forEach(candidates::add);
        outcome.path("left_out").forEach(candidates::add);
        return candidates;
    }

    /** Makes more inputs than needed, and keeps those whose outcome depends on neither rounding nor time. */
    private static List<ProducerRecord<byte[], byte[]>> inputs() throws Exception {
        Random random = new Random(SEED);
        RecordedInputs generated = new RecordedInputs(random);
        List<Kind> kinds = List.of(
                new Kind(1200, generated::mutated),
                new Kind(150, generated::hostile),
                new Kind(250, generated::edge),
                new Kind(400, generated::ofShop));
        List<ProducerRecord<byte[], byte[]>> made = new ArrayList<>();
        for (Kind kind : kinds) {
            for (int i = 0; i < kind.generated(); i++) {
                made.add(RecordedAnswersTest.input(
                        random.nextInt(4) == 0, kind.generator().apply(i)));
            }
        }
        List<JsonNode> outcomes = run(made);
        List<ProducerRecord<byte[], byte[]>> kept = new ArrayList<>();
        int next = 0;
        for (Kind kind : kinds) {
            List<ProducerRecord<byte[], byte[]>> clear = new ArrayList<>();
            for (int i = next; i < next + kind.generated(); i++) {
                if (!hasTimeout(made.get(i).value()) && isClear(outcomes.get(i))) {
                    clear.add(made.get(i));
                }
            }
            next += kind.generated();
            System.out.println(clear.size() + " of " + kind.generated() + " clear, " + kind.count() + " needed");
            kept.addAll(clear.subList(0, kind.count()));
        }
        Collections.shuffle(kept, random);
        return kept;
    }

    /** Tells whether rounding changes neither a rule's verdict nor the order. */
    private static boolean isClear(JsonNode outcome) {
        NavigableMap<Double, Double> roundings = new TreeMap<>();
        for (JsonNode candidate : candidates(outcome)) {
            if (candidate.path("score").isNumber()) {
                double score = candidate.path("score").asDouble();
                double rounding = LOGIT_ROUNDING * score * (1 - score) + SCORE_ROUNDING * score;
                double value = candidate.path("rank_value").asDouble();
                Double higher = roundings.ceilingKey(value);
                Double lower = roundings.floorKey(value);
                if (Arrays.stream(THRESHOLDS).anyMatch(threshold -> Math.abs(score - threshold) < rounding)
                        || (higher != null && higher - value < rounding + roundings.get(higher))
                        || (lower != null && value - lower < rounding + roundings.get(lower))) {
                    return false;
                }
                roundings.put(value, rounding);
            }
        }
        return true;
    }

    private static boolean hasTimeout(byte[] value) {
        try {
            if (value == null || value[0] == '{') {
                return value != null && new ObjectMapper().readTree(value).hasNonNull("timeout_ms");
            }
            return AvroLists.decode(value).get("timeout_ms") != null;
        } catch (IOException | RuntimeException e) {
            return false; // no list: it becomes a dead letter
        }
    }

    private static void write(List<ProducerRecord<byte[], byte[]>> inputs) throws IOException {
        try (var out = new DataOutputStream(
                new BufferedOutputStream(new GZIPOutputStream(Files.newOutputStream(RecordedAnswersTest.INPUTS))))) {
            out.writeInt(inputs.size());
            for (ProducerRecord<byte[], byte[]> input : inputs) {
                out.writeBoolean(input.topic().equals(RecordedAnswersTest.BACKFILL));
                byte[] value = input.value();
                out.writeInt(value == null ? -1 : value.length);
                if (value != null) {
                    out.write(value);
                }
            }
        }
    }
}
