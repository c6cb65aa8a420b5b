package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares the network with transformers. The encoder's tests compare images that need resizing. */
@ParameterizedClass
@EnumSource(QwenGolden.class)
class QwenGoldenTest {

    private static QwenGolden golden;
    private static QwenScorer scorer;

    @BeforeParameterizedClassInvocation
    static void open(QwenGolden fixture) {
        golden = fixture;
        scorer = fixture.open();
    }

    @AfterParameterizedClassInvocation
    static void close() {
        scorer.close();
    }

    @Parameter
    @SuppressWarnings("UnusedVariable") // JUnit asks for it
    private QwenGolden fixture;

    static List<QwenGolden.Case> cases() {
        return golden.cases();
    }

    @Test
    void scores_of_all_cases_in_one_pass() {
        golden.assertScores(scorer, 1e-4);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void positions(QwenGolden.Case pair) {
        PackedPass packed = new PackedPass(new Pass(List.of(pair.group())), scorer.config);

        int[] positions = Arrays.stream(packed.positions)
                .flatMapToInt(axis -> Arrays.stream(axis).mapToInt(Math::toIntExact))
                .toArray();
        assertThat(positions).isEqualTo(golden.ints(pair.name() + "/position_ids"));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void last_hidden_state(QwenGolden.Case pair) {
        PackedPass packed = new PackedPass(new Pass(List.of(pair.group())), scorer.config);

        Close.relative(
                NetworkProbe.lastHidden(scorer.network, packed, plan(packed.images)),
                golden.floats(pair.name() + "/last_hidden"),
                1e-4);
    }

    @Test
    void patches() {
        int compared = 0;
        for (QwenGolden.Case pair : golden.cases()) {
            if (golden.has(pair.name() + "/pixel_values")) {
                float[] patches = doubled(NetworkProbe.patches(scorer.network, pair.images()));
                Close.absolute(patches, golden.floats(pair.name() + "/pixel_values"), 1e-6);
                compared++;
            }
        }
        assertThat(compared).isGreaterThanOrEqualTo(3);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void vision(QwenGolden.Case pair) {
        if (pair.hasImages()) {
            float[] seen = see(pair.images());
            Close.relative(plane(seen, 0), golden.floats(pair.name() + "/vision"), 1e-4);
            for (int i = 0; i < scorer.config.vision().deepstack().size(); i++) {
                Close.relative(plane(seen, i + 1), golden.floats(pair.name() + "/deepstack." + i), 1e-4);
            }
        }
    }

    @Test
    void visionOfSeveralImagesAtOnce() {
        EncodedImage square = golden.image("square.png");
        EncodedImage exact = golden.image("exact.png");
        float[] squareSeen = see(List.of(square));
        float[] exactSeen = see(List.of(exact));

        Close.relative(see(List.of(exact, square, exact)), concat(exactSeen, squareSeen, exactSeen), 1e-4);
    }

    /** Returns the numbers of one plane: (cells, planes · hidden) → (cells, hidden). */
    private static float[] plane(float[] seen, int plane) {
        int width = scorer.config.vision().cellWidth();
        int hidden = scorer.config.vision().outHidden();
        float[] one = new float[seen.length / width * hidden];
        for (int cell = 0; cell < seen.length / width; cell++) {
            System.arraycopy(seen, cell * width + plane * hidden, one, cell * hidden, hidden);
        }
        return one;
    }

    /** Doubles the frame, as transformers does: (patches, 3 · patch²) → (patches, 3 · 2 · patch²). */
    private static float[] doubled(float[] patches) {
        int pixels = scorer.config.vision().patch() * scorer.config.vision().patch();
        float[] doubled = new float[patches.length * 2];
        for (int i = 0; i < patches.length; i++) {
            int at = i / pixels * 2 * pixels + i % pixels;
            doubled[at] = patches[i];
            doubled[at + pixels] = patches[i];
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
