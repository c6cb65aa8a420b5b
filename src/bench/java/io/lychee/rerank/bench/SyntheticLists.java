package io.lychee.rerank.bench;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.prompt.QwenEncoder;
import io.lychee.rerank.qwen.BenchHooks;
import io.lychee.rerank.scoring.PromptPart;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;

/**
 * Made-up lists whose prefixes and candidates have a given mean number of tokens, texts and image areas varying by 40 %
 * around it. Pictures are JPEG files of about 448 × 448 pixels (256 tokens). All of it follows from the seed.
 */
final class SyntheticLists {

    private static final double VARIATION = 0.4;
    private static final int IMAGE_SIDE = 448;
    private static final int PREFIX_TOKENS = 80;
    private static final int TEXT_TOKENS = 126;
    /** Of a candidate that has an image too. */
    private static final int CAPTION_TOKENS = 48;
    /** Pictures that {@code cached} takes 90 % of its candidates' from; in the cache after three lists. */
    private static final int KNOWN_IMAGES = 250;

    private static final List<String> WORDS = List.of(
            "red", "blue", "dress", "shoes", "cotton", "summer", "small", "large", "soft", "black", "white", "jacket");

    private final QwenEncoder encoder;
    private final boolean queryImage;
    private final boolean candidateImages;
    private final boolean cached;
    private final int candidates;
    private final long seed;
    private final List<Image> known;
    private final List<CandidateList> lists;
    private final double tokensPerWord;

    SyntheticLists(QwenEncoder encoder, String workload, int candidates, long seed, int lists)
            throws RejectedException {
        if (!List.of("text", "image", "both", "cached").contains(workload)) {
            throw new ConfigException("--workload is %s; expected text, image, both or cached".formatted(workload));
        }
        this.encoder = encoder;
        this.cached = workload.equals("cached");
        this.queryImage = cached || workload.equals("both");
        this.candidateImages = queryImage || workload.equals("image");
        this.candidates = candidates;
        this.seed = seed;
        this.tokensPerWord =
                (tokens(words(new SplittableRandom(seed), 200)) - tokens(words(new SplittableRandom(seed), 100)))
                        / 100.0;
        this.known = cached
                ? IntStream.range(0, KNOWN_IMAGES)
                        .parallel()
                        .mapToObj(i -> picture(new SplittableRandom(seed * 31 + i)))
                        .toList()
                : List.of();
        this.lists = IntStream.range(0, lists).parallel().mapToObj(this::make).toList();
    }

    CandidateList list(int index) {
        return lists.get(index);
    }

    /**
     * Multiplications and additions in matrix products that these lists need when nothing is computed twice: prefixes
     * once a list, every image once.
     */
    double operations(int from, int count, BenchHooks hooks) {
        return lists.subList(from, from + count).parallelStream()
                .mapToDouble(list -> operations(list, hooks))
                .sum();
    }

    private double operations(CandidateList list, BenchHooks hooks) {
        List<PromptPart> segments = new ArrayList<>();
        try {
            segments.add(encoder.encodePrefix(list.instruction(), list.query(), bytes(list.query())));
            for (Candidate candidate : list.candidates()) {
                segments.add(encoder.encodeCandidate(candidate, bytes(candidate.content())));
            }
        } catch (RejectedException e) {
            throw new IllegalStateException(e);
        }
        return segments.stream().mapToDouble(hooks::operations).sum();
    }

    private static List<byte[]> bytes(Content content) {
        return content.images().stream()
                .map(image -> ((Image.Bytes) image).data())
                .toList();
    }

    private CandidateList make(int index) {
        RandomGenerator random = new SplittableRandom(seed * 1_000_003 + index);
        try {
            int fixed = encoder.encodePrefix(null, new Content("a", List.of()), List.of())
                    .tokens()
                    .length;
            Content query = content(
                    random, Math.max(1, PREFIX_TOKENS - fixed), queryImage ? List.of(picture(random)) : List.of());
            int around = tokens("a") - 1;
            List<Candidate> made = new ArrayList<>();
            for (int i = 0; i < candidates; i++) {
                double mean = candidateImages ? CAPTION_TOKENS : TEXT_TOKENS;
                int text = (int) Math.max(1, mean * vary(random) - around);
                made.add(new Candidate("c" + i, content(random, text, images(random)), null, Map.of(), null));
            }
            return new CandidateList("bench-" + index, null, Map.of(), query, made, null, null);
        } catch (RejectedException e) {
            throw new IllegalStateException(e);
        }
    }

    private List<Image> images(RandomGenerator random) {
        if (!candidateImages) {
            return List.of();
        }
        return List.of(cached && random.nextInt(10) > 0 ? known.get(random.nextInt(KNOWN_IMAGES)) : picture(random));
    }

    private Content content(RandomGenerator random, int tokens, List<Image> images) {
        return new Content(words(random, (int) Math.max(1, tokens / tokensPerWord)), images);
    }

    private static double vary(RandomGenerator random) {
        return 1 + VARIATION * (2 * random.nextDouble() - 1);
    }

    private int tokens(String text) throws RejectedException {
        return encoder.encodeCandidate(
                        new Candidate("a", new Content(text, List.of()), null, Map.of(), null), List.of())
                .tokens()
                .length;
    }

    private static String words(RandomGenerator random, int count) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            text.append(i == 0 ? "" : " ").append(WORDS.get(random.nextInt(WORDS.size())));
        }
        return text.toString();
    }

    /** Colours running into each other with shapes and noise on top, as a photo is to a codec. */
    private static Image picture(RandomGenerator random) {
        double side = IMAGE_SIDE * Math.sqrt(vary(random));
        double stretch = Math.sqrt(vary(random));
        BufferedImage image =
                new BufferedImage((int) (side * stretch), (int) (side / stretch), BufferedImage.TYPE_INT_RGB);
        int red = random.nextInt(256);
        int green = random.nextInt(256);
        for (int y = 0; y < image.getHeight(); y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                int noise = random.nextInt(24);
                int blue = ((x + y) / 8) & 255;
                image.setRGB(
                        x, y, (((red + x / 4 + noise) & 255) << 16) | (((green + y / 4 + noise) & 255) << 8) | blue);
            }
        }
        Graphics2D graphics = image.createGraphics();
        for (int i = 0; i < 12; i++) {
            graphics.setColor(new Color(random.nextInt(1 << 24)));
            graphics.fillOval(
                    random.nextInt(400), random.nextInt(400), 20 + random.nextInt(120), 20 + random.nextInt(120));
        }
        graphics.dispose();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            ImageIO.write(image, "jpg", bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Image.Bytes(bytes.toByteArray());
    }
}
