package io.lychee.rerank.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ImageRules;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files of each kind, against the RGB that Pillow makes of them ({@code images/make_fixtures.py}). */
final class ImageDecoderTest {

    private static final Duration TIME = Duration.ofSeconds(20);

    /** Of 255 levels: libjpeg 6b repeats lines of chroma where libjpeg-turbo interpolates. */
    private static final double MEAN_DISTANCE_OF_6B = 8;

    private static final int MAX_PIXELS = 1_000_000;
    static final Path FOLDER = Path.of("src/test/resources/images");

    private final ImageDecoder decoder = new ImageDecoder(1 << 24, 64_000_000, TIME, ImageRules.SENSIBLE);

    private static double distance(byte[] one, byte[] other) {
        return IntStream.range(0, one.length)
                .map(i -> Math.abs((one[i] & 0xff) - (other[i] & 0xff)))
                .average()
                .orElseThrow();
    }

    static RgbImage same(RgbImage image, Deadline deadline) {
        return image;
    }

    @Test
    void everyKindDecodesAsPillowDoes() throws Exception {
        List<Path> files = fixtures();
        assertThat(files).hasSizeGreaterThan(40);
        try (ZipFile expected = new ZipFile(FOLDER.resolve("expected.zip").toFile())) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                try (var in = new DataInputStream(expected.getInputStream(expected.getEntry(name + ".rgb")))) {
                    int height = in.readInt();
                    int width = in.readInt();
                    byte[] rgb = in.readAllBytes();
                    RgbImage image = decoder.decode(Files.readAllBytes(file), ImageDecoderTest::same);

                    assertThat(List.of(image.width(), image.height())).as(name).isEqualTo(List.of(width, height));
                    if (name.equals("440.jpg") && !JpegProbe.isPillows()) {
                        assertThat(distance(image.data(), rgb)).as(name).isLessThan(MEAN_DISTANCE_OF_6B);
                    } else {
                        assertThat(image.data()).as(name).isEqualTo(rgb);
                    }
                }
            }
        }
    }

    /** Unusual, and read by Pillow all the same ({@code images/make_edge.py}). */
    @TestFactory
    Stream<DynamicTest> edgesDecodeAsPillowDoes() throws IOException {
        List<DynamicTest> tests = new ArrayList<>();
        try (ZipFile zip = new ZipFile(FOLDER.resolve("edge.zip").toFile())) {
            for (ZipEntry entry : Collections.list(zip.entries())) {
                if (!entry.getName().endsWith(".rgb")) {
                    byte[] file = zip.getInputStream(entry).readAllBytes();
                    byte[] expected = zip.getInputStream(zip.getEntry(entry.getName() + ".rgb"))
                            .readAllBytes();
                    tests.add(DynamicTest.dynamicTest(entry.getName(), () -> {
                        RgbImage image = decoder.decode(file, ImageDecoderTest::same);
                        assertThat(ByteBuffer.allocate(expected.length)
                                        .putInt(image.height())
                                        .putInt(image.width())
                                        .put(image.data())
                                        .array())
                                .isEqualTo(expected);
                    }));
                }
            }
        }
        return tests.stream();
    }

    @Test
    void filesCutShortAreUnreadable() throws Exception {
        for (Path file : fixtures()) {
            if (file.endsWith("animated.gif")) {
                continue; // its first frame, all that is read, is whole
            }
            byte[] data = Files.readAllBytes(file);
            for (double part : new double[] {0.1, 0.5, 0.8}) {
                byte[] cut = Arrays.copyOf(data, (int) (data.length * part));
                assertThat(reason(cut))
                        .as("%s, %d of %d bytes", file.getFileName(), cut.length, data.length)
                        .isEqualTo(Reason.IMAGE_UNREADABLE);
            }
        }
    }

    private @Nullable Reason reason(byte[] data) {
        try {
            decoder.decode(data, ImageDecoderTest::same);
            return null;
        } catch (RejectedException e) {
            return e.reason();
        }
    }

    @Test
    void damagedFilesDecodeOrAreRejectedAndNothingElse() throws Exception {
        long seed = Long.getLong("lychee.fuzz.seed", 20261126);
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        ImageDecoder small = new ImageDecoder(1 << 24, MAX_PIXELS, TIME, ImageRules.SENSIBLE);
        small.decode(Files.readAllBytes(FOLDER.resolve("lossy.webp")), ImageDecoderTest::same); // loads the library
        for (Path file : fixtures()) {
            for (int round = 0; round < 40; round++) {
                byte[] data = Pictures.hostile(Files.readAllBytes(file), random);
                String name = "%s, seed %d, round %d".formatted(file, seed, round);
                long allocated = Pictures.allocated(() -> {
                    try {
                        assertThat(small.decode(data, ImageDecoderTest::same).data())
                                .as(name)
                                .isNotEmpty();
                    } catch (RejectedException e) {
                        assertThat(e.reason()).as(name).isIn(Reason.IMAGE_UNREADABLE, Reason.IMAGE_TOO_LARGE);
                    }
                });
                assertThat(allocated).as(name).isLessThan(Pictures.allowed(data.length, MAX_PIXELS));
            }
        }
    }

    @Test
    void whatIsNoPictureIsUnreadable() {
        assertRejected(decoder, new byte[0], Reason.IMAGE_UNREADABLE, "the file of 0 bytes is empty");
        assertRejected(
                decoder,
                "<svg/>".getBytes(StandardCharsets.US_ASCII),
                Reason.IMAGE_UNREADABLE,
                "is SVG, which is not supported; expected JPEG, PNG, WebP, GIF or BMP");
        assertRejected(decoder, new byte[] {(byte) 0xff, (byte) 0xd8, (byte) 0xff}, Reason.IMAGE_UNREADABLE, "JPEG");
    }

    @ParameterizedTest
    @CsvSource({
        "AVIF, 00000020667479706176696600000000",
        "HEIC, 00000018667479706865696300000000",
        "HEIC, 00000018667479706d69663100000000",
        "AVIF, 00000018667479706d6966310000000061766966",
        "HEIC, 00000014667479706d6966310000000068656963",
        "TIFF, 49492b0008000000",
        "TIFF, 4d4d002b00080000",
        "SVG, fffe3c0073007600670020003e00",
        "HTML, feff003c00680074006d006c003e",
        "JPEG XL, ff0a00000000",
        "JPEG XL, 0000000c4a584c200d0a870a",
        "JPEG 2000, 0000000c6a5020200d0a870a",
        "TIFF, 49492a0008000000",
        "TIFF, 4d4d002a00000008",
        "ICO, 00000100010010100000",
        "PDF, 255044462d312e37",
        "video (MP4 or QuickTime), 000000186674797069736f6d",
        "video (WebM or Matroska), 1a45dfa3",
        "gzip, 1f8b0800",
        "ZIP, 504b030414",
        "SVG, 3c3f786d6c3f3e3c73766720783d2231222f3e",
        "HTML, 0a3c21444f43545950452068746d6c3e",
        "XML or HTML, 3c4572726f723e",
        "JSON, efbbbf7b226572726f72223a317d",
        "a data: URI, 646174613a696d6167652f706e67",
        "text, 4e6f7420466f756e640a"
    })
    void refusalsNameWhatItIs(String name, String bytes) {
        assertRejected(
                decoder,
                HexFormat.of().parseHex(bytes),
                Reason.IMAGE_UNREADABLE,
                "is " + name + ", which is not supported; expected JPEG, PNG, WebP, GIF or BMP");
    }

    @Test
    void decodingEndsInTime() throws IOException {
        for (String name : List.of("rgb.png", "baseline.jpg", "lossy.webp", "still.gif", "rgb.bmp")) {
            assertRejected(
                    new ImageDecoder(1 << 20, 1 << 20, Duration.ofNanos(1), ImageRules.SENSIBLE),
                    Files.readAllBytes(FOLDER.resolve(name)),
                    Reason.IMAGE_UNREADABLE,
                    "image.decode-timeout");
        }
    }

    /** There is room for one picture of this size at a time, and it is given back. */
    @Test
    void manyAtATimeWaitForRoom() throws IOException {
        byte[] whole = Files.readAllBytes(FOLDER.resolve("rgb.png"));
        byte[] cut = Arrays.copyOf(whole, whole.length / 2);
        ImageDecoder tight = new ImageDecoder(1 << 24, 41 * 27, TIME, ImageRules.SENSIBLE);
        List<CompletableFuture<Void>> decodings = IntStream.range(0, 40)
                .mapToObj(i -> CompletableFuture.runAsync(() -> {
                    if (i % 2 == 0) {
                        assertThatCode(() -> tight.decode(whole, ImageDecoderTest::same))
                                .doesNotThrowAnyException();
                    } else {
                        assertRejected(tight, cut, Reason.IMAGE_UNREADABLE, "PNG");
                    }
                }))
                .toList();
        assertThat(CompletableFuture.allOf(decodings.toArray(CompletableFuture[]::new)))
                .succeedsWithin(Duration.ofMinutes(1));
    }

    @Test
    void limitsAreCheckedBeforeDecoding() throws IOException {
        byte[] png = Files.readAllBytes(FOLDER.resolve("rgb.png"));
        assertRejected(
                new ImageDecoder(100, 1 << 20, TIME, ImageRules.SENSIBLE),
                png,
                Reason.IMAGE_TOO_LARGE,
                "image.max-bytes is 100");
        assertRejected(
                new ImageDecoder(1 << 20, 1000, TIME, ImageRules.SENSIBLE),
                png,
                Reason.IMAGE_TOO_LARGE,
                "41 × 27 pixels; image.max-decoded-pixels is 1000");
        for (String name : List.of("baseline.jpg", "lossy.webp", "alpha.webp", "still.gif", "rgb.bmp")) {
            assertRejected(
                    new ImageDecoder(1 << 20, 1000, TIME, ImageRules.SENSIBLE),
                    Files.readAllBytes(FOLDER.resolve(name)),
                    Reason.IMAGE_TOO_LARGE,
                    "image.max-decoded-pixels is 1000");
        }
    }

    @Test
    void aSmallFrameOnALargeGifCanvasCountsAsTheCanvas() throws Exception {
        byte[] gif = Files.readAllBytes(FOLDER.resolve("still.gif"));
        gif[6] = 60; // canvas 60 × 27
        RgbImage image = decoder.decode(gif, ImageDecoderTest::same);
        assertThat(image.width()).isEqualTo(60);
        assertThat(Arrays.copyOfRange(image.data(), 3 * 59, 3 * 60))
                .as("outside the frame: the first colour, as in Pillow")
                .isEqualTo(Arrays.copyOfRange(gif, 13, 16));

        gif[7] = (byte) 0xff;
        gif[9] = (byte) 0xff;
        assertRejected(decoder, gif, Reason.IMAGE_TOO_LARGE, "65340 × 65307 pixels");
    }

    @Test
    void aBombOfZerosStopsAtTheDeclaredSize() throws Exception {
        // a PNG that declares 41 × 27 pixels and inflates to far more: only what it declares is made
        byte[] png = Files.readAllBytes(FOLDER.resolve("grey.png"));
        byte[] file = Pictures.inPng(Arrays.copyOf(png, 33), "IDAT", Pictures.bomb(""));
        assertThat(decoder.decode(file, ImageDecoderTest::same).data()).hasSize(3 * 41 * 27);
    }

    static void assertRejected(ImageDecoder decoder, byte[] data, Reason reason, String detail) {
        assertThatThrownBy(() -> decoder.decode(data, ImageDecoderTest::same))
                .hasMessageContaining(detail)
                .isInstanceOfSatisfying(
                        RejectedException.class, e -> assertThat(e.reason()).isEqualTo(reason));
    }

    private static List<Path> fixtures() throws IOException {
        try (var files = Files.list(FOLDER)) {
            return files.filter(f -> f.toString().matches(".*\\.(jpg|png|webp|gif|bmp)"))
                    .sorted()
                    .toList();
        }
    }
}
