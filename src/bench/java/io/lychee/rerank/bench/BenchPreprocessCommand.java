package io.lychee.rerank.bench;

import io.lychee.rerank.cli.ConfigOptions;
import io.lychee.rerank.cli.DemoShop;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.prompt.QwenEncoder;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures the encoder: images and tokens a second of one core and of all. */
@Command(
        name = "preprocess",
        description = {
            "Decodes and resizes images and tokenizes texts as the job does, on one thread and on all cores.",
            "Images are the demo shop's and larger ones made with a seed; sizes default to the published checkpoint's."
        })
final class BenchPreprocessCommand implements Callable<Integer> {

    private static final int FILES_A_GROUP = 50;
    private static final int LARGE_FILES = 2;
    private static final int[][] LARGE = {{1024, 768}, {2048, 1536}};
    private static final List<String> FORMATS = List.of("jpg", "png", "webp");
    private static final int LONG_TEXT = 100;

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Option(names = "--seconds", defaultValue = "2", description = "A measurement. Default: ${DEFAULT-VALUE}")
    private double seconds;

    @Option(names = "--seed", defaultValue = "1", description = "Of the larger images. Default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(names = "--json", description = "The figures as JSON on standard output.")
    private boolean json;

    /** Encodes one content and returns the amount: images or tokens. */
    private interface Work {
        int apply(QwenEncoder encoder) throws RejectedException;
    }

    @Override
    public Integer call() throws Exception {
        if (!(seconds > 0)) {
            throw new ConfigException("--seconds is " + seconds + "; expected more than 0");
        }
        DemoShop shop = DemoShop.load();
        Path folder = Files.createTempDirectory(Path.of(System.getProperty("java.io.tmpdir")), "lychee-bench-");
        try {
            for (String name : List.of("config.json", "tokenizer.json")) {
                Files.copy(shop.folder().resolve("checkpoint").resolve(name), folder.resolve(name));
            }
            Files.writeString(folder.resolve("preprocessor_config.json"), "{}"); // the published sizes
            RerankConfig config = options.load(
                    Map.of(ConfigKeys.CHECKPOINT, folder.toString()),
                    Map.of(ConfigKeys.CACHE_IMAGES, "0")); // the same images come again and again
            Map<String, List<Path>> images = images(shop, folder);
            Map<String, List<String>> texts = texts(shop);
            Map<String, Object> figures = new LinkedHashMap<>();
            figures.put("seed", seed);
            figures.put("cores", Runtime.getRuntime().availableProcessors());
            try (QwenEncoder encoder = QwenEncoder.open(config)) {
                Map<String, Object> rates = new LinkedHashMap<>();
                for (var group : images.entrySet()) {
                    rates.put(group.getKey(), measure(encoder, group.getKey(), imageWork(group.getValue())));
                }
                figures.put("images_per_second", rates);
                Map<String, Object> tokens = new LinkedHashMap<>();
                for (var group : texts.entrySet()) {
                    tokens.put(group.getKey(), measure(encoder, group.getKey(), textWork(group.getValue())));
                }
                figures.put("tokens_per_second", tokens);
            }
            BenchOutput.print(figures, json);
            return 0;
        } finally {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    private static List<Work> imageWork(List<Path> files) throws IOException {
        List<Work> work = new ArrayList<>();
        for (Path file : files) {
            byte[] data = Files.readAllBytes(file);
            Candidate candidate = candidate(null, List.of(new Image.Bytes(data)));
            work.add(encoder -> {
                var unused = encoder.encodeCandidate(candidate, List.of(data));
                return 1;
            });
        }
        return work;
    }

    private static List<Work> textWork(List<String> texts) {
        return texts.stream()
                .map(text -> candidate(text, List.of()))
                .<Work>map(candidate ->
                        encoder -> encoder.encodeCandidate(candidate, List.of()).textTokens())
                .toList();
    }

    private static Candidate candidate(@Nullable String text, List<Image> images) {
        return new Candidate("a", new Content(text, images), null, Map.of(), null);
    }

    /** Measures the rate of one core's CPU time and of all cores, in images or tokens a second. */
    private Map<String, Object> measure(QwenEncoder encoder, String name, List<Work> work) throws Exception {
        System.err.println(name);
        double amount = 0;
        for (Work one : work) {
            amount += one.apply(encoder);
        }
        amount /= work.size();
        var unused = coreRate(encoder, work, seconds / 2);
        double core = amount * coreRate(encoder, work, seconds);
        Map<String, Object> rates = new LinkedHashMap<>();
        rates.put("a_core_second", BenchOutput.round(core));
        rates.put("all_cores", BenchOutput.round(amount * rate(encoder, work, seconds)));
        return rates;
    }

    /** Returns pieces of work a second of one thread's CPU time, so other load does not count. */
    private static double coreRate(QwenEncoder encoder, List<Work> work, double seconds) throws RejectedException {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        long start = threads.getCurrentThreadCpuTime();
        int done = 0;
        long spent = 0;
        for (; spent < seconds * 1e9; spent = threads.getCurrentThreadCpuTime() - start) {
            var unused = work.get(done++ % work.size()).apply(encoder);
        }
        return done / (spent / 1e9);
    }

    /** Returns pieces of work a second on all cores. */
    private static double rate(QwenEncoder encoder, List<Work> work, double seconds) throws Exception {
        int cores = Runtime.getRuntime().availableProcessors();
        ExecutorService pool = Executors.newFixedThreadPool(cores);
        try {
            long start = System.nanoTime();
            long end = start + (long) (seconds * 1e9);
            Callable<Integer> loop = () -> {
                int done = 0;
                while (System.nanoTime() < end) {
                    var unused = work.get(done++ % work.size()).apply(encoder);
                }
                return done;
            };
            long done = 0;
            for (Future<Integer> thread : pool.invokeAll(Collections.nCopies(cores, loop))) {
                done += thread.get();
            }
            return done / ((System.nanoTime() - start) / 1e9);
        } finally {
            pool.shutdown();
        }
    }

    private Map<String, List<Path>> images(DemoShop shop, Path folder) throws IOException {
        Map<String, List<Path>> groups = new LinkedHashMap<>();
        try (Stream<Path> files = Files.list(shop.folder().resolve("images"))) {
            List<Path> sorted = files.sorted().toList();
            for (String format : FORMATS) {
                List<Path> some = sorted.stream()
                        .filter(file -> file.toString().endsWith("." + format))
                        .limit(FILES_A_GROUP)
                        .toList();
                if (!some.isEmpty()) {
                    groups.put(format + ", demo shop's", some);
                }
            }
        }
        Random random = new Random(seed);
        for (int[] size : LARGE) {
            Map<String, List<Path>> large = new LinkedHashMap<>();
            for (int i = 0; i < LARGE_FILES; i++) {
                BufferedImage photo = photo(size[0], size[1], random);
                for (String format : FORMATS) {
                    String group = "%s, %d × %d".formatted(format, size[0], size[1]);
                    Path file = folder.resolve("%d-%d.%s".formatted(size[0], i, format));
                    if (!ImageIO.write(photo, format, file.toFile())) {
                        throw new IllegalStateException("nothing here writes " + format);
                    }
                    large.computeIfAbsent(group, g -> new ArrayList<>()).add(file);
                }
            }
            groups.putAll(large);
        }
        return groups;
    }

    /** Draws soft shapes with noise, so that files are about as large as photographs. */
    private static BufferedImage photo(int width, int height, Random random) {
        BufferedImage photo = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D canvas = photo.createGraphics();
        canvas.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BICUBIC);
        for (int cell : new int[] {128, 16}) {
            BufferedImage colors = new BufferedImage(width / cell, height / cell, BufferedImage.TYPE_INT_ARGB);
            for (int y = 0; y < colors.getHeight(); y++) {
                for (int x = 0; x < colors.getWidth(); x++) {
                    int opacity = cell == 128 ? 255 : random.nextInt(100);
                    colors.setRGB(x, y, opacity << 24 | random.nextInt(1 << 24));
                }
            }
            canvas.drawImage(colors, 0, 0, width, height, null);
        }
        canvas.dispose();
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int noise = (int) (random.nextGaussian() * 5);
                int rgb = photo.getRGB(x, y);
                int noisy = 0;
                for (int shift = 0; shift < 24; shift += 8) {
                    noisy |= Math.max(0, Math.min(255, (rgb >> shift & 255) + noise)) << shift;
                }
                photo.setRGB(x, y, noisy);
            }
        }
        return photo;
    }

    private static Map<String, List<String>> texts(DemoShop shop) {
        List<String> names = shop.lists().stream()
                .flatMap(list -> list.candidates().stream())
                .map(Candidate::content)
                .map(Content::text)
                .filter(text -> text != null && !text.isBlank())
                .distinct()
                .toList();
        List<String> together = new ArrayList<>();
        for (int i = 0; i + LONG_TEXT <= names.size(); i += LONG_TEXT) {
            together.add(names.subList(i, i + LONG_TEXT).stream().collect(Collectors.joining(". ")));
        }
        Map<String, List<String>> texts = new LinkedHashMap<>();
        texts.put("short texts", names);
        texts.put("long texts", together);
        return texts;
    }
}
