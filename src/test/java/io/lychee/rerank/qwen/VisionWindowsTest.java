package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class VisionWindowsTest {

    @Test
    void windows_of_equal_size_lie_side_by_side() {
        VisionWindows windows = new VisionWindows(2, 2);
        windows.add(3, 5);

        // four inner windows of 2 × 2 cells, the right edge, the bottom edge, the corner
        assertThat(windows.order()).containsExactly(0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14);
        assertThat(windows.windows()).containsExactly(16, 16, 8, 8, 8, 4);
        assertThat(windows.images()).containsExactly(60);
        // the patches of cell 5: row 1, column 0 of cells
        assertThat(Arrays.copyOfRange(windows.rows(), 8, 12)).containsExactly(2, 2, 3, 3);
        assertThat(Arrays.copyOfRange(windows.columns(), 8, 12)).containsExactly(0, 1, 0, 1);
    }

    @Test
    void the_window_counts_of_a_photo() {
        VisionWindows windows = new VisionWindows(4, 2);
        windows.add(17, 23);

        // facts from transformers: 30 windows of 12, 16, 48 or 64 patches
        List<Long> lengths = LongStream.of(windows.windows()).boxed().toList();
        List<Long> expected = new ArrayList<>(Collections.nCopies(20, 64L));
        expected.addAll(Collections.nCopies(4, 48L));
        expected.addAll(Collections.nCopies(5, 16L));
        expected.add(12L);
        assertThat(lengths).isEqualTo(expected);
    }

    @Test
    void images_follow_each_other() {
        VisionWindows windows = new VisionWindows(4, 2);
        windows.add(4, 4);
        windows.add(4, 4);
        windows.add(1, 2);

        assertThat(windows.order()).containsExactly(LongStream.range(0, 34).toArray());
        assertThat(windows.windows()).containsExactly(64, 64, 8);
        assertThat(windows.images()).containsExactly(64, 64, 8);
    }
}
