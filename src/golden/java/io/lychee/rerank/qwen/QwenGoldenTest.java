package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The network against what transformers computed; images that need resizing are compared where the encoder is. */
class QwenGoldenTest {

    private static QwenScorer scorer;

    @BeforeAll
    static void open() {
        scorer = QwenGolden.open(QwenGolden.CHECKPOINT);
    }

    @AfterAll
    static void close() {
        scorer.close();
    }

    static Stream<QwenGolden.Case> cases() {
        return QwenGolden.all().stream();
    }

    @Test
    void scores_of_all_cases_in_one_pass() {
        List<QwenGolden.Case> cases = QwenGolden.all();
        assertThat(cases).hasSizeGreaterThanOrEqualTo(6);

        float[] scores =
                scorer.score(new Pass(cases.stream().map(QwenGolden.Case::group).toList()));

        for (int i = 0; i < scores.length; i++) {
            assertThat((double) scores[i])
                    .as(cases.get(i).name())
                    .isCloseTo(cases.get(i).score(), within(1e-4));
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void positions(QwenGolden.Case golden) {
        PackedPass packed = new PackedPass(new Pass(List.of(golden.group())), scorer.config);

        int[] positions = Arrays.stream(packed.positions)
                .flatMapToInt(axis -> Arrays.stream(axis).mapToInt(Math::toIntExact))
                .toArray();
        assertThat(positions).isEqualTo(QwenGolden.ints(golden.name() + "/position_ids"));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void last_hidden_state(QwenGolden.Case golden) {
        PackedPass packed = new PackedPass(new Pass(List.of(golden.group())), scorer.config);

        Close.relative(
                NetworkProbe.lastHidden(scorer.network, packed, plan(packed.images)),
                QwenGolden.floats(golden.name() + "/last_hidden"),
                1e-4);
    }

    @Test
    void patches() {
        Close.absolute(doubled(patches("square.png")), QwenGolden.floats("t-i/pixel_values"), 1e-6);
        // the case's first image; the second needs resizing
        float[] both = QwenGolden.floats("t-2i/pixel_values");
        Close.absolute(doubled(patches("exact.png")), Arrays.copyOf(both, both.length / 2), 1e-6);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void vision(QwenGolden.Case golden) {
        if (golden.hasImages()) {
            float[] seen = see(golden.images());
            Close.relative(seen, QwenGolden.floats(golden.name() + "/vision"), 1e-4);
        }
    }

    @Test
    void vision_of_several_images_at_once() {
        EncodedImage square = QwenGolden.image("square.png");
        EncodedImage exact = QwenGolden.image("exact.png");
        float[] squareSeen = QwenGolden.floats("t-i/vision");
        float[] exactSeen = Arrays.copyOf(QwenGolden.floats("t-2i/vision"), 6 * 64);

        Close.relative(see(List.of(exact)), exactSeen, 1e-4);
        Close.relative(see(List.of(exact, square, exact)), concat(exactSeen, squareSeen, exactSeen), 1e-4);
    }

    private static float[] patches(String image) {
        return NetworkProbe.patches(scorer.network, List.of(QwenGolden.image(image)));
    }

    /** transformers keeps the doubled frame: (patches, 3 · 196) → (patches, 3 · 2 · 196). */
    private static float[] doubled(float[] patches) {
        float[] doubled = new float[patches.length * 2];
        for (int i = 0; i < patches.length; i++) {
            int at = i / 196 * 2 * 196 + i % 196;
            doubled[at] = patches[i];
            doubled[at + 196] = patches[i];
        }
        return doubled;
    }

    private static float[] concat(float[]... parts) {
        int length = Arrays.stream(parts).mapToInt(part -> part.length).sum();
        float[] all = new float[length];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    private static float[] see(List<EncodedImage> images) {
        return NetworkProbe.vision(scorer.network, plan(images));
    }

    private static VisionCache.Plan plan(List<EncodedImage> images) {
        return scorer.visionCache.plan(images, scorer.config.vision().cell());
    }
}
