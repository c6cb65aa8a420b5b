package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PromptPart;
import io.lychee.rerank.scoring.ScoringException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Asserts that a pair's score doesn't depend on the rest of its pass. */
@ParameterizedClass
@EnumSource(QwenGolden.class)
class QwenPackingTest {

    private static QwenGolden golden;
    private static QwenScorer scorer;

    @Parameter
    @SuppressWarnings("UnusedVariable") // JUnit asks for it
    private QwenGolden fixture;

    @BeforeParameterizedClassInvocation
    static void open(QwenGolden fixture) {
        golden = fixture;
        scorer = fixture.open();
    }

    @AfterParameterizedClassInvocation
    static void close() {
        scorer.close();
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void alone_in_its_list_and_beside_other_lists(long seed) {
        Random random = new Random(seed);
        List<Pass.Group> groups = IntStream.range(0, 1 + random.nextInt(4))
                .mapToObj(i -> group(random, 1 + random.nextInt(6)))
                .toList();

        float[] together = scorer.score(new Pass(groups));

        int at = 0;
        for (Pass.Group group : groups) {
            float[] inList = scorer.score(new Pass(List.of(group)));
            for (int c = 0; c < inList.length; c++) {
                Pass.Group pair = new Pass.Group(
                        group.prefix(), List.of(group.candidates().get(c)));
                float alone = scorer.score(new Pass(List.of(pair)))[0];
                assertThat(inList[c]).isCloseTo(alone, within(1e-4f));
                assertThat(together[at++]).isCloseTo(alone, within(1e-4f));
            }
        }
        assertThat(at).isEqualTo(together.length);
    }

    @Test
    void alone_and_in_a_list_of_a_hundred() {
        Random random = new Random(7);
        Pass.Group group = group(random, 100);

        float[] scores = scorer.score(new Pass(List.of(group)));

        for (int c = 0; c < 100; c += 9) {
            Pass.Group pair =
                    new Pass.Group(group.prefix(), List.of(group.candidates().get(c)));
            assertThat(scorer.score(new Pass(List.of(pair)))[0]).isCloseTo(scores[c], within(1e-4f));
        }
    }

    /** Splits a sequence into prefix and candidate at any token: the score is that of the whole. */
    @Test
    void split_anywhere() {
        QwenGolden.Case pair = golden.named("t-t-zh");
        int[] tokens = pair.tokens().stream().mapToInt(i -> i).toArray();
        for (int split = 1; split < tokens.length; split += 16) {
            Pass.Group group = new Pass.Group(
                    text(Arrays.copyOf(tokens, split)),
                    List.of(text(Arrays.copyOfRange(tokens, split, tokens.length))));
            assertThat((double) scorer.score(new Pass(List.of(group)))[0]).isCloseTo(pair.score(), within(1e-4));
        }
    }

    @Test
    void what_does_not_fit_the_network_is_a_fault_that_says_so() {
        PromptPart text = text(1, 2);
        assertThatThrownBy(() -> score(text, text(3, 70_000)))
                .isInstanceOf(ScoringException.class)
                .hasMessageContaining("token 70000 outside the vocabulary of 704");
        assertThatThrownBy(() -> score(text, text(3, golden.config.imageToken())))
                .isInstanceOf(ScoringException.class)
                .hasMessageContaining("image token at 1, behind the last of 0 images");
        PromptPart lacking = new PromptPart(
                new int[] {3, golden.config.imageToken(), 4}, List.of(image(new Random(1), 1, 2)), 2, false);
        assertThatThrownBy(() -> score(text, lacking))
                .isInstanceOf(ScoringException.class)
                .hasMessageContaining("expected 1 × 2 image tokens from token 1 on");
    }

    private static float score(PromptPart prefix, PromptPart candidate) {
        return scorer.score(new Pass(List.of(new Pass.Group(prefix, List.of(candidate)))))[0];
    }

    private static Pass.Group group(Random random, int candidates) {
        return new Pass.Group(
                segment(random),
                IntStream.range(0, candidates).mapToObj(c -> segment(random)).toList());
    }

    /** Makes a part of text and up to two images. */
    private static PromptPart segment(Random random) {
        List<Integer> tokens = new ArrayList<>();
        List<EncodedImage> images = new ArrayList<>();
        int vision = 0;
        appendText(random, tokens);
        for (int i = random.nextInt(4) - 1; i > 0; i--) {
            EncodedImage image = image(random, 1 + random.nextInt(6), 1 + random.nextInt(6));
            int cell = golden.config.vision().cell();
            int cells = image.height() / cell * (image.width() / cell);
            IntStream.range(0, cells).forEach(c -> tokens.add(golden.config.imageToken()));
            vision += cells;
            images.add(image);
            appendText(random, tokens);
        }
        return new PromptPart(tokens.stream().mapToInt(t -> t).toArray(), images, vision, false);
    }

    private static void appendText(Random random, List<Integer> tokens) {
        for (int i = random.nextInt(30); i >= 0; i--) {
            tokens.add(random.nextInt(golden.config.imageToken()));
        }
    }

    private static EncodedImage image(Random random, int rows, int columns) {
        int cell = golden.config.vision().cell();
        byte[] rgb = new byte[rows * cell * columns * cell * 3];
        random.nextBytes(rgb);
        return new EncodedImage(
                rows * cell,
                columns * cell,
                ByteBuffer.allocateDirect(rgb.length).put(rgb).flip());
    }

    private static PromptPart text(int... tokens) {
        return new PromptPart(tokens, List.of(), 0, false);
    }
}
