package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class VisionWindowsTest {

    @Test
    void windows_of_equal_size_lie_side_by_side() {
        VisionWindows windows = new VisionWindows(2, 2);
        windows.add(3, 5);

        // four inner windows of 2 × 2 cells, the right edge, the bottom edge, the corner
        assertThat(windows.order()).containsExactly(0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14);
        assertThat(windows.windows().counts()).containsExactly(2, 3, 1);
        assertThat(windows.windows().sizes()).containsExactly(16, 8, 4);
        assertThat(windows.images().counts()).containsExactly(1);
        assertThat(windows.images().sizes()).containsExactly(60);
        // the patches of cell 5: row 1, column 0 of cells
        assertThat(Arrays.copyOfRange(windows.rows(), 8, 12)).containsExactly(2, 2, 3, 3);
        assertThat(Arrays.copyOfRange(windows.columns(), 8, 12)).containsExactly(0, 1, 0, 1);
    }

    @Test
    void the_window_counts_of_a_photo() {
        VisionWindows windows = new VisionWindows(4, 2);
        windows.add(17, 23);

        // facts from transformers: 30 windows of 12, 16, 48 or 64 patches
        assertThat(windows.windows().counts()).containsExactly(20, 4, 5, 1);
        assertThat(windows.windows().sizes()).containsExactly(64, 48, 16, 12);
    }

    @Test
    void images_follow_each_other() {
        VisionWindows windows = new VisionWindows(4, 2);
        windows.add(4, 4);
        windows.add(4, 4);
        windows.add(1, 2);

        assertThat(windows.order()).containsExactly(LongStream.range(0, 34).toArray());
        assertThat(windows.windows().counts()).containsExactly(2, 1);
        assertThat(windows.images().counts()).containsExactly(2, 1);
        assertThat(windows.images().sizes()).containsExactly(64, 8);
    }
}
