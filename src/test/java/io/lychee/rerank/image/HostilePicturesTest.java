package io.lychee.rerank.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ImageRules;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What hostile pictures cost: their own limits of time and memory, and a rejection that says why. */
final class HostilePicturesTest {

    private static final Duration TIME = Duration.ofSeconds(20);
    private static final Path FOLDER = ImageDecoderTest.FOLDER;

    private final ImageDecoder decoder = new ImageDecoder(1 << 24, 64_000_000, TIME, ImageRules.SENSIBLE);

    /** A second of work in every hundred bytes: looked at between them, and in our own loops row by row. */
    @Test
    void aBombOfScansEndsInTime() throws Exception {
        ImageDecoderTest.assertRejected(
                new ImageDecoder(1 << 24, 64_000_000, Duration.ofMillis(200), ImageRules.SENSIBLE),
                Pictures.scans(8000, 7992, 1000),
                Reason.IMAGE_UNREADABLE,
                "image.decode-timeout, 200 ms");
    }

    @Test
    void anInterruptedDecodeEnds() throws IOException {
        byte[] png = Files.readAllBytes(FOLDER.resolve("rgb.png"));
        Thread.currentThread().interrupt();
        ImageDecoderTest.assertRejected(decoder, png, Reason.IMAGE_UNREADABLE, "was given up");
        assertThat(Thread.interrupted()).as("still told").isTrue();
    }

    @Test
    void theDeadlineHoldsForWhatIsDoneWithThePicture() throws Exception {
        byte[] png = Files.readAllBytes(FOLDER.resolve("rgb.png"));
        assertThatThrownBy(() -> decoder.decode(png, (image, deadline) -> {
                    Thread.currentThread().interrupt();
                    return PillowBicubic.resize(image, 56, 84, deadline);
                }))
                .isInstanceOf(RejectedException.class);
        assertThat(Thread.interrupted()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            classes = {
                OutOfMemoryError.class,
                StackOverflowError.class,
                InternalError.class,
                NoClassDefFoundError.class,
                AssertionError.class,
                IllegalStateException.class
            })
    void whateverIsThrownIsTheCandidatesRejection(Class<? extends Throwable> type) throws Exception {
        byte[] png = Files.readAllBytes(FOLDER.resolve("rgb.png"));
        Throwable thrown = type.getConstructor().newInstance();
        assertThatThrownBy(() -> decoder.decode(png, (image, deadline) -> {
                    throw sneaky(thrown);
                }))
                .isInstanceOf(RejectedException.class);
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> RuntimeException sneaky(Throwable thrown) throws T {
        throw (T) thrown;
    }

    /** Blocks of 64 KB that took a metadata library's stack, 90 s, or gigabytes. */
    @ParameterizedTest
    @ValueSource(ints = {3500, 100_000})
    void metadataCostsNoMoreThanItsFile(int directories) throws Exception {
        byte[] chain = Pictures.chainOfDirectories(directories);
        List<byte[]> files = new ArrayList<>(List.of(
                Pictures.inPng(Files.readAllBytes(FOLDER.resolve("rgb.png")), "eXIf", chain),
                Pictures.inPng(Files.readAllBytes(FOLDER.resolve("palette.png")), "zTXt", Pictures.bomb("key\0\0")),
                Pictures.inPng(
                        Files.readAllBytes(FOLDER.resolve("rgb.png")),
                        "zTXt",
                        Pictures.bomb("Raw profile type exif\0\0")),
                Pictures.inPng(Files.readAllBytes(FOLDER.resolve("rgb.png")), "iCCP", Pictures.bomb("key\0\0"))));
        if (chain.length < 65_000) {
            files.add(Pictures.inJpeg(Files.readAllBytes(FOLDER.resolve("baseline.jpg")), 0xe1, chain));
        }
        for (byte[] file : files) {
            assertThat(Pictures.allocated(() -> decoder.decode(file, ImageDecoderTest::same)))
                    .isLessThan(Pictures.allowed(file.length, 41 * 27));
        }
    }

    /** What can be declared in a few bytes is counted, and refused, before it is allocated. */
    @ParameterizedTest
    @ValueSource(strings = {"still.gif", "rgb.png", "baseline.jpg", "progressive.jpg", "lossless.webp"})
    void whatIsRefusedIsNotAllocated(String name) throws Exception {
        byte[] file = Pictures.declaring(Files.readAllBytes(FOLDER.resolve(name)), 8000, 7990);
        ImageDecoder small = new ImageDecoder(1 << 24, 1_000_000, TIME, ImageRules.SENSIBLE);
        assertThat(Pictures.allocated(
                        () -> ImageDecoderTest.assertRejected(small, file, Reason.IMAGE_TOO_LARGE, "8000 × 7990")))
                .isLessThan(Pictures.allowed(file.length, 0));
    }

    /** A 1 × 1 frame on a large canvas waits for others as the canvas does. */
    @Test
    void aCanvasTakesItsRoom() throws Exception {
        byte[] gif = Pictures.declaring(Files.readAllBytes(FOLDER.resolve("still.gif")), 1000, 1000);
        ImageDecoder tight = new ImageDecoder(1 << 24, 1_000_000, Duration.ofMinutes(10), ImageRules.SENSIBLE);
        AtomicReference<String> refusal = new AtomicReference<>();
        Thread second = new Thread(() -> {
            try {
                tight.decode(gif, ImageDecoderTest::same);
            } catch (RejectedException e) {
                refusal.set(e.getMessage());
            }
        });
        int width = tight.decode(gif, (image, deadline) -> {
            // the room is taken until the picture has been used
            second.start();
            while (second.getState() != Thread.State.TIMED_WAITING) {
                Thread.onSpinWait();
            }
            second.interrupt();
            return image.width();
        });
        second.join();

        assertThat(width).isEqualTo(1000);
        assertThat(refusal.get()).contains("decoding has stopped");
    }

    /** Rows of an interlaced image cost a reader more than its pixels. */
    @ParameterizedTest
    @ValueSource(strings = {"interlaced.png", "baseline.jpg", "still.gif"})
    void aShapeThatTheNetworkCannotTakeIsRefusedBeforeItIsDecoded(String name) throws Exception {
        byte[] line = Pictures.declaring(Files.readAllBytes(FOLDER.resolve(name)), 16_000, 1);

        ImageDecoderTest.assertRejected(decoder, line, Reason.IMAGE_TOO_LARGE, "at most 200 to 1");
    }

    @Test
    void aBmpWithAnotherFileInsideIsRefused() throws Exception {
        byte[] bmp = Files.readAllBytes(FOLDER.resolve("rgb.bmp"));
        for (byte compression : new byte[] {4, 5}) {
            bmp[30] = compression;
            ImageDecoderTest.assertRejected(decoder, bmp, Reason.IMAGE_UNREADABLE, "compression " + compression);
        }
    }

    /** A decoder whose library can't be unpacked costs WebP pictures and says which folder it wanted. */
    @Test
    void withoutATemporaryFolderWebpIsRefusedByName() throws Exception {
        Process java = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Djava.io.tmpdir=/nowhere",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Pictures.class.getName(),
                        FOLDER.resolve("lossy.webp").toString(),
                        FOLDER.resolve("alpha.webp").toString(),
                        FOLDER.resolve("rgb.png").toString())
                .redirectErrorStream(true)
                .start();
        String out = new String(java.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(java.waitFor()).as(out).isZero();
        assertThat(out.lines().filter(line -> line.contains("temporary folder /nowhere (java.io.tmpdir)")))
                .as(out)
                .hasSize(2);
        assertThat(out).contains("41 × 27");
    }
}
