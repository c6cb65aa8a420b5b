package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;

/** Asserts that two arrays of numbers agree. */
final class Close {

    private Close() {}

    /** Asserts that every value is within {@code tolerance} of the expected one. */
    static void absolute(float[] actual, float[] expected, double tolerance) {
        assertThat(actual).hasSameSizeAs(expected);
        int worst = 0;
        for (int i = 0; i < actual.length; i++) {
            assertThat(actual[i]).as("value %d", i).isFinite();
            if (Math.abs(actual[i] - expected[i]) > Math.abs(actual[worst] - expected[worst])) {
                worst = i;
            }
        }
        assertThat((double) Math.abs(actual[worst] - expected[worst]))
                .as("value %d of %d: %s, expected %s", worst, actual.length, actual[worst], expected[worst])
                .isLessThanOrEqualTo(tolerance);
    }

    /** Asserts the same within {@code tolerance} times the largest expected value. */
    static void relative(float[] actual, float[] expected, double tolerance) {
        double largest = 0;
        for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        absolute(actual, expected, tolerance * largest);
    }
}
