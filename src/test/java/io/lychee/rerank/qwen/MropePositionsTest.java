package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.PromptPart;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.Test;

class MropePositionsTest {

    private static final int IMAGE = 9;

    @Test
    void a_candidate_goes_on_where_its_prefix_ended() {
        MropePositions mrope = new MropePositions(IMAGE, 28);
        EncodedImage wide = image(1, 3);
        EncodedImage tall = image(2, 1);
        PromptPart prefix = new PromptPart(new int[] {1, IMAGE, IMAGE, IMAGE, 2}, List.of(wide), 3, false);
        PromptPart candidate =
                new PromptPart(new int[] {IMAGE, IMAGE, IMAGE, IMAGE, IMAGE, 3}, List.of(tall, wide), 5, false);
        long[][] positions = new long[3][11];

        int next = mrope.write(prefix, 0, positions, 0);
        int end = mrope.write(candidate, next, positions, 5);

        assertThat(next).isEqualTo(5);
        assertThat(positions[0]).containsExactly(0, 1, 1, 1, 4, 5, 5, 7, 7, 7, 10);
        assertThat(positions[1]).containsExactly(0, 1, 1, 1, 4, 5, 6, 7, 7, 7, 10);
        assertThat(positions[2]).containsExactly(0, 1, 2, 3, 4, 5, 5, 7, 8, 9, 10);
        assertThat(end).isEqualTo(11);
    }

    private static EncodedImage image(int rows, int columns) {
        return new EncodedImage(rows * 28, columns * 28, ByteBuffer.allocateDirect(rows * columns * 28 * 28 * 3));
    }
}
