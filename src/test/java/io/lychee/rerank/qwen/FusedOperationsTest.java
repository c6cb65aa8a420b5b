package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.torch.TorchDevice;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Runs both branches of fused.py on the CPU: PyTorch's operations, and own operators, here written in Java. */
@ParameterizedClass
@EnumSource(QwenGolden.class)
class FusedOperationsTest {

    private static QwenScorer scorer;

    @Parameter
    private QwenGolden golden;

    @BeforeParameterizedClassInvocation
    static void open(QwenGolden golden) {
        JavaOperators.register();
        scorer = golden.open(TorchDevice.CPU, golden.sources());
    }

    @AfterParameterizedClassInvocation
    static void close() {
        scorer.close();
    }

    @ParameterizedTest
    @CsvSource({"rotate", "silu_mul", "rms", "add_rms", "rows"})
    void bothBranchesComputeTheSame(String operation) {
        assertThat(scorer.network.fusedError(operation, false)).isLessThan(1e-4);
    }

    /** A number on the border of two e4m3 numbers may round either way: one step, at most an eighth. */
    @ParameterizedTest
    @CsvSource({"silu_mul", "rms", "add_rms"})
    void bothBranchesQuantiseTheSame(String operation) {
        assertThat(scorer.network.fusedError(operation, true)).isLessThan(0.126);
    }

    @Test
    void theQuantiserRoundsAsPlainJava() {
        assertThat(scorer.network.fusedError("rows", true)).isLessThan(1e-6);
    }

    @Test
    void tilesAttendToWhatTheirRowsMay() {
        assertThat(scorer.network.attentionError(true)).isLessThan(1e-5);
    }

    @Test
    void scoresAreThoseOfTheReferenceWithOwnOperators() {
        scorer.network.useFused(true, true);
        golden.assertScores(scorer, 1e-4);
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "1, 56",
        "-1, 184",
        "448, 126",
        "1000, 126",
        "0.001953125, 1",
        "0.0009, 0",
        "0.0010, 1",
        "0.015625, 8",
        "1.0625, 56",
        "1.1875, 58",
        "15.9, 88"
    })
    void roundsToTheNearestNumberOfEightBits(double value, int bits) {
        assertThat(JavaOperators.e4m3(value) & 0xff).isEqualTo(bits);
    }
}
