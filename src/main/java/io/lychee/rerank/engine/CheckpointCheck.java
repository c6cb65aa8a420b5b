package io.lychee.rerank.engine;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import java.util.Map;

/** Refuses a loaded checkpoint whose scores say nothing, as those of a lost head or template do. */
final class CheckpointCheck {

    /** The smallest difference of two logits that tells pairs apart; unlike pairs differ by 0.1 at least. */
    private static final double SAME = 1e-3;

    private CheckpointCheck() {}

    /**
     * @param scores of unlike pairs, by name
     * @throws ConfigException when one is no number, or all are the same
     */
    static void require(CheckpointFiles checkpoint, Map<String, Double> scores, String precision) {
        scores.forEach((pair, score) -> {
            if (score.isNaN()) {
                throw new ConfigException(
                        "%s (model.checkpoint) scores the pair \"%s\" NaN in %s; expected a probability."
                                        .formatted(checkpoint.directory(), pair, precision)
                                + " Look at the files (./lychee pull verifies them), then at model.precision: float16"
                                + " overflows where bfloat16 and float32 don't");
            }
        });
        double least = logit(scores.values().stream().mapToDouble(s -> s).min().orElseThrow());
        double most = logit(scores.values().stream().mapToDouble(s -> s).max().orElseThrow());
        if (most - least < SAME) {
            throw new ConfigException(
                    "%s (model.checkpoint) scores %d unlike pairs the same, %.6f; expected different scores. Look at"
                                    .formatted(
                                            checkpoint.directory(),
                                            scores.size(),
                                            scores.values().iterator().next())
                            + " the head (lm_head.weight, or tie_word_embeddings in config.json), at prompt.template, and"
                            + " whether the checkpoint is a reranker at all");
        }
    }

    /** Converts a probability; 0 and 1 to the logits of the nearest others. */
    private static double logit(double probability) {
        double p = Math.min(Math.max(probability, Float.MIN_NORMAL), 1 - 0x1p-24);
        return Math.log(p / (1 - p));
    }
}
