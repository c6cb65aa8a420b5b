package io.lychee.rerank.engine;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CheckpointCheckTest {

    private final CheckpointFiles checkpoint = new CheckpointFiles(Path.of("lost-head"));

    @Test
    void scoresThatSayNothingAreRefused() {
        assertRefused(Map.of("a", 0.5, "b", Double.NaN), "scores the pair \"b\" NaN in bfloat16");
        assertRefused(Map.of("a", 0.5, "b", 0.5, "c", 0.5), "scores 3 unlike pairs the same, 0.500000");
        assertRefused(Map.of("a", 0.4494, "b", 0.4495), "lm_head.weight");
        assertRefused(Map.of("a", 1.0, "b", 1.0), "the same");
        assertRefused(Map.of("a", 0.0, "b", 0.0), "the same");
    }

    @Test
    void scoresThatDifferAreTaken() {
        assertThatCode(() -> CheckpointCheck.require(checkpoint, Map.of("a", 0.45, "b", 0.46), "float32"))
                .doesNotThrowAnyException();
        // all unlikely, yet not the same
        assertThatCode(() -> CheckpointCheck.require(checkpoint, Map.of("a", 1e-6, "b", 2e-6), "fp8"))
                .doesNotThrowAnyException();
    }

    private void assertRefused(Map<String, Double> scores, String message) {
        assertThatThrownBy(() -> CheckpointCheck.require(checkpoint, scores, "bfloat16"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("lost-head (model.checkpoint)")
                .hasMessageContaining(message);
    }
}
