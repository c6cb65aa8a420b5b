package io.lychee.rerank.engine;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ModelInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.commons.codec.digest.DigestUtils;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Holds the scores of {@link ReferencePairs} that {@code verify-checkpoint --record} stored beside a checkpoint.
 *
 * @param precision in which they were computed
 * @param settings digest of the prompt and the limits that scores depend on
 */
public record RecordedScores(
        @JsonProperty("fingerprint") String fingerprint,
        @JsonProperty("precision") String precision,
        @JsonProperty("settings") String settings,
        @JsonProperty("scores") Map<String, Double> scores) {

    public static final String FILE = "lychee-scores.json";

    private static final Logger LOG = LoggerFactory.getLogger(RecordedScores.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    /** The largest difference of a score from the same in float32, by precision. */
    private static final Map<String, Double> TOLERANCE =
            Map.of("float32", 1e-3, "float16", 0.05, "bfloat16", 0.05, "fp8", 0.1);

    public RecordedScores {
        scores = new LinkedHashMap<>(scores);
    }

    public static RecordedScores of(
            RerankConfig config, ModelInfo model, String precision, Map<String, Double> scores) {
        return new RecordedScores(model.fingerprint(), precision, settings(config), scores);
    }

    /** Returns the largest difference that rounding explains between two precisions. */
    public static double tolerance(String precision, String other) {
        return Math.max(Objects.requireNonNull(TOLERANCE.get(precision)), Objects.requireNonNull(TOLERANCE.get(other)));
    }

    /** @throws ConfigException when the checkpoint's folder can't be written */
    public Path write(CheckpointFiles checkpoint) {
        Path file = checkpoint.directory().resolve(FILE);
        try {
            Files.write(file, JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(this));
            return file;
        } catch (IOException e) {
            throw new ConfigException(file + " can't be written: " + e, e);
        }
    }

    /**
     * Compares scores with those recorded beside the checkpoint; does nothing without a record.
     *
     * @throws ConfigException when the weights changed since, or a score differs by more than rounding
     */
    static void require(CheckpointFiles checkpoint, RecordedScores now) {
        if (!checkpoint.has(FILE)) {
            return;
        }
        Path file = checkpoint.file(FILE);
        RecordedScores then;
        try {
            then = JSON.readValue(file.toFile(), RecordedScores.class);
            tolerance(then.precision, now.precision);
        } catch (IOException | NullPointerException e) {
            throw new ConfigException("%s can't be read: %s; %s".formatted(file, e.getMessage(), again(checkpoint)), e);
        }
        if (!then.settings.equals(now.settings) || !then.scores.keySet().equals(now.scores.keySet())) {
            LOG.warn(
                    "{} was recorded with another prompt, other image limits or an earlier version: not compared",
                    file);
            return;
        }
        if (!then.fingerprint.equals(now.fingerprint)) {
            throw new ConfigException("%s (model.checkpoint) has fingerprint %s, and %s was recorded for %s; %s"
                    .formatted(checkpoint.directory(), now.fingerprint, file, then.fingerprint, again(checkpoint)));
        }
        now.scores.forEach((pair, score) -> {
            double recorded = Objects.requireNonNull(then.scores.get(pair));
            if (!(Math.abs(score - recorded) <= tolerance(then.precision, now.precision))) {
                throw new ConfigException(
                        "%s (model.checkpoint) scores the pair \"%s\" %.4f in %s, and %s recorded %.4f in %s; device,"
                                        .formatted(
                                                checkpoint.directory(),
                                                pair,
                                                score,
                                                now.precision,
                                                file,
                                                recorded,
                                                then.precision)
                                + " PyTorch or this version computes something else. " + again(checkpoint));
            }
        });
    }

    private static String again(CheckpointFiles checkpoint) {
        return "./lychee verify-checkpoint %s --record records anew".formatted(checkpoint.directory());
    }

    private static String settings(RerankConfig config) {
        return DigestUtils.sha256Hex(List.of(
                                config.prompt(),
                                config.preparation(),
                                config.limits().minPixels(),
                                config.limits().maxPixels(),
                                config.limits().imageRules())
                        .toString())
                .substring(0, 16);
    }
}
