package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PromptPart;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VisionCacheTest {

    private static final int CELL = 28;

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3})
    void noPlaceEverHoldsTwoImagesOfAPass(long seed) {
        Random random = new Random(seed);
        VisionCache seen = new VisionCache(60, true);
        Map<Object, long[]> written = new HashMap<>(); // what the device would hold
        for (int round = 0; round < 300; round++) {
            List<EncodedImage> images = new ArrayList<>();
            for (int i = random.nextInt(7); i >= 0; i--) {
                images.add(image(random.nextInt(20)));
            }
            VisionCache.Plan plan = seen.plan(images, CELL);
            int at = 0;
            for (EncodedImage image : plan.unseen()) {
                int cells = image.height() / CELL * (image.width() / CELL);
                long[] places = Arrays.copyOfRange(plan.unseenPlaces(), at, at += cells);
                written.values()
                        .removeIf(old -> Arrays.stream(old)
                                .anyMatch(place -> Arrays.stream(places).anyMatch(p -> p == place)));
                written.put(image.key(), places);
            }
            at = 0;
            for (int i = 0; i < images.size(); i++) {
                int cells = images.get(i).height() / CELL * (images.get(i).width() / CELL);
                long[] places = Arrays.copyOfRange(plan.places(), at, at += cells);
                assertThat(places).isEqualTo(written.get(images.get(i).key()));
            }
            Set<Object> distinct =
                    new HashSet<>(images.stream().map(EncodedImage::key).toList());
            assertThat(plan.unseen().size()).isEqualTo(distinct.size() - hits(images, plan));
            if (random.nextInt(10) == 0) { // the pass failed
                seen.forget(plan.unseen());
                plan.unseen().forEach(image -> written.remove(image.key()));
            }
        }
    }

    private static int hits(List<EncodedImage> images, VisionCache.Plan plan) {
        Set<Object> hits = new HashSet<>();
        for (int i = 0; i < images.size(); i++) {
            if (plan.hits()[i]) {
                hits.add(images.get(i).key());
            }
        }
        return hits.size();
    }

    @Test
    void whatWasUsedLongestAgoGivesWay() {
        VisionCache seen = new VisionCache(12, true);
        EncodedImage a = image(1);
        EncodedImage b = image(2);
        EncodedImage c = image(3); // each 4 cells
        seen.plan(List.of(a, b, c), CELL);
        seen.plan(List.of(a), CELL);
        seen.plan(List.of(image(4)), CELL);

        assertThat(seen.plan(List.of(a, c), CELL).hits()).containsExactly(true, true);
        assertThat(seen.plan(List.of(b), CELL).hits()).containsExactly(false);
        assertThatThrownBy(() -> seen.plan(List.of(a, b, c, image(5)), CELL)).hasMessageContaining("16 cells of 12");
    }

    @Test
    void aPictureIsSeenOnceAndGivesTheSameScoreThen() {
        EncodedImage picture = image(7);
        int[] tokens = new int[6];
        Arrays.fill(tokens, 1, 5, QwenGolden.QWEN2_5.config.imageToken());
        PromptPart candidate = new PromptPart(tokens, List.of(picture), 4, false);
        Pass pass = new Pass(List.of(
                new Pass.Group(new PromptPart(new int[] {1, 2}, List.of(), 0, false), List.of(candidate))));
        try (QwenScorer scorer = QwenGolden.QWEN2_5.open()) {
            var first = scorer.start(pass);
            var second = scorer.start(pass);

            assertThat(first.imageHits()).containsExactly(0);
            assertThat(second.imageHits()).containsExactly(1);
            assertThat(second.await()).containsExactly(first.await());
        }
    }

    @Test
    void nothingIsKeptWhereNothingIsToBe() {
        VisionCache seen = new VisionCache(8, false);

        assertThat(seen.plan(List.of(image(1), image(2)), CELL).hits()).containsExactly(false, false);
        assertThat(seen.plan(List.of(image(2)), CELL).hits()).containsExactly(false);
    }

    /** Makes a distinct image of 2 × 2 cells. */
    private static EncodedImage image(int number) {
        ByteBuffer rgb = ByteBuffer.allocate(4 * CELL * CELL * 3);
        rgb.putInt(0, number);
        return new EncodedImage(2 * CELL, 2 * CELL, rgb);
    }
}
