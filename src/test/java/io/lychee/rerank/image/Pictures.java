package io.lychee.rerank.image;

import com.sun.management.ThreadMXBean;
import io.lychee.rerank.config.ImageRules;
import io.lychee.rerank.domain.RejectedException;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.CRC32;
import java.util.zip.DeflaterOutputStream;

/** Makes hostile pictures of ordinary ones, and measures what decoding them allocates. */
public final class Pictures {

    private static final int BOMB = 5_000_000;
    /** The JDK's readers' own tables, and a few copies of a file. */
    private static final long CONSTANT = 4 << 20;

    private static final int COPIES = 8;

    private Pictures() {}

    /** Decodes files in a Java of its own, and prints a line for each. */
    public static void main(String[] files) throws IOException {
        ImageDecoder decoder = new ImageDecoder(1 << 24, 1 << 20, Duration.ofMinutes(1), ImageRules.SENSIBLE);
        for (String file : files) {
            try {
                RgbImage decoded = decoder.decode(Files.readAllBytes(Path.of(file)), (image, deadline) -> image);
                System.out.println(decoded.width() + " × " + decoded.height());
            } catch (RejectedException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    interface Task {
        void run() throws Exception;
    }

    /** Bytes of heap that this thread took for it. */
    static long allocated(Task task) throws Exception {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        task.run();
        return threads.getCurrentThreadAllocatedBytes() - before;
    }

    /** Bytes that a picture may take in all. */
    static long allowed(int fileBytes, int pixels) {
        return CONSTANT + COPIES * (long) fileBytes + ImageDecoder.BYTES_A_PIXEL * (long) pixels;
    }

    /** A picture damaged, cut, of another size, with other metadata, or none at all. */
    public static byte[] hostile(byte[] picture, Random random) {
        return switch (random.nextInt(10)) {
            case 0 -> new byte[0];
            case 1 -> noise(picture, random);
            case 2, 3 -> declaring(picture, 1 << random.nextInt(16), 1 << random.nextInt(16));
            case 4, 5 -> withMetadata(picture, random);
            case 6 -> mutated(withMetadata(picture, random), random);
            default -> mutated(picture, random);
        };
    }

    private static byte[] noise(byte[] picture, Random random) {
        byte[] noise = Arrays.copyOf(picture, 16 + random.nextInt(2000));
        for (int i = 12; i < noise.length; i++) {
            noise[i] = (byte) random.nextInt(256);
        }
        return noise;
    }

    private static byte[] mutated(byte[] picture, Random random) {
        byte[] mutated = picture.clone();
        for (int i = random.nextInt(8); i >= 0; i--) {
            // half of it where headers are
            int at = random.nextInt(random.nextBoolean() ? mutated.length : Math.min(64, mutated.length));
            switch (random.nextInt(12)) {
                case 0, 1, 2, 3, 4 -> mutated[at] ^= (byte) (1 << random.nextInt(8));
                case 5, 6, 7, 8, 9 -> mutated[at] = (byte) random.nextInt(256);
                case 10 -> mutated = Arrays.copyOf(mutated, Math.max(1, at));
                default -> mutated = Arrays.copyOf(mutated, mutated.length + random.nextInt(5));
            }
        }
        return mutated;
    }

    /** The same picture that declares other sides: a canvas where there is one, with checksums that agree. */
    static byte[] declaring(byte[] picture, int width, int height) {
        byte[] other = picture.clone();
        ByteBuffer little = ByteBuffer.wrap(other).order(ByteOrder.LITTLE_ENDIAN);
        switch (ImageFormat.of(picture).orElseThrow()) {
            case PNG -> {
                ByteBuffer.wrap(other).putInt(16, width).putInt(20, height);
                ByteBuffer.wrap(other).putInt(29, crc(Arrays.copyOfRange(other, 12, 29)));
            }
            case GIF -> little.putShort(6, (short) width).putShort(8, (short) height);
            case BMP -> little.putInt(18, width).putInt(22, height);
            case JPEG -> {
                for (int at = 2; at + 9 < other.length; at++) {
                    if (other[at] == -1 && (other[at + 1] == (byte) 0xc0 || other[at + 1] == (byte) 0xc2)) {
                        ByteBuffer.wrap(other).putShort(at + 5, (short) height).putShort(at + 7, (short) width);
                    }
                }
            }
            case WEBP -> {
                return animated(other, width, height);
            }
        }
        return other;
    }

    /** The picture as the first frame of an animation on a canvas. */
    private static byte[] animated(byte[] webp, int width, int height) {
        byte[] still = Arrays.copyOfRange(webp, 12, webp.length);
        ByteBuffer file = ByteBuffer.allocate(12 + 18 + 14 + 24 + still.length).order(ByteOrder.LITTLE_ENDIAN);
        file.put(ascii("RIFF")).putInt(file.capacity() - 8).put(ascii("WEBP"));
        file.put(ascii("VP8X")).putInt(10).putInt(0x12);
        file.putShort((short) (width - 1))
                .put((byte) 0)
                .putShort((short) (height - 1))
                .put((byte) 0);
        file.put(ascii("ANIM")).putInt(6).putInt(-1).putShort((short) 0);
        file.put(ascii("ANMF")).putInt(16 + still.length).put(new byte[16]).put(still);
        return file.array();
    }

    /** EXIF that runs in circles, broken profiles and inflating texts, where the format has a place for them. */
    private static byte[] withMetadata(byte[] picture, Random random) {
        byte[] exif = chainOfDirectories(1 + random.nextInt(3500));
        for (int i = random.nextInt(20); i > 0; i--) {
            exif[random.nextInt(exif.length)] = (byte) random.nextInt(256);
        }
        byte[] profile = new byte[random.nextInt(300)];
        random.nextBytes(profile);
        return switch (ImageFormat.of(picture).orElseThrow()) {
            case JPEG ->
                random.nextBoolean()
                        ? inJpeg(picture, 0xe1, exif)
                        : inJpeg(picture, 0xe2, joined(ascii("ICC_PROFILE\0\1\1"), profile));
            case PNG ->
                switch (random.nextInt(5)) {
                    case 0 -> inPng(picture, "eXIf", exif);
                    case 1 -> inPng(picture, "iCCP", joined(ascii("name\0\0"), profile));
                    case 2 -> inPng(picture, "zTXt", bomb("Raw profile type exif\0\0"));
                    case 3 -> inPng(picture, "iTXt", bomb("XML:com.adobe.xmp\0\1\0\0\0"));
                    default -> inPng(picture, "tRNS", profile);
                };
            case WEBP, GIF, BMP -> declaring(picture, 1 + random.nextInt(3000), 1 + random.nextInt(3000));
        };
    }

    static byte[] inJpeg(byte[] jpeg, int marker, byte[] body) {
        byte[] whole = marker == 0xe1 ? joined(ascii("Exif\0\0"), body) : body;
        byte[] segment = ByteBuffer.allocate(4 + whole.length)
                .put((byte) 0xff)
                .put((byte) marker)
                .putShort((short) (2 + whole.length))
                .put(whole)
                .array();
        return joined(Arrays.copyOf(jpeg, 2), segment, Arrays.copyOfRange(jpeg, 2, jpeg.length));
    }

    /** Behind the header, with its checksum. */
    static byte[] inPng(byte[] png, String type, byte[] body) {
        byte[] typed = joined(ascii(type), body);
        byte[] chunk = ByteBuffer.allocate(8 + typed.length)
                .putInt(body.length)
                .put(typed)
                .putInt(crc(typed))
                .array();
        return joined(Arrays.copyOf(png, 33), chunk, Arrays.copyOfRange(png, 33, png.length));
    }

    /** A thousandth of the zeros it inflates to. */
    static byte[] bomb(String before) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (DeflaterOutputStream deflater = new DeflaterOutputStream(out)) {
            deflater.write(new byte[BOMB]);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return joined(ascii(before), out.toByteArray());
    }

    /** A TIFF in which each directory has one entry, which leads to the next. */
    static byte[] chainOfDirectories(int count) {
        ByteBuffer tiff = ByteBuffer.allocate(8 + 18 * count + 6).order(ByteOrder.LITTLE_ENDIAN);
        tiff.put(ascii("II*\0")).putInt(8);
        for (int i = 0; i < count; i++) {
            int next = tiff.position() + 18;
            tiff.putShort((short) 1).putShort((short) 0x14a).putShort((short) 4).putInt(1);
            tiff.putInt(next).putInt(next);
        }
        return tiff.array();
    }

    /** A progressive JPEG that is one colour, in as many scans of a hundred bytes, each through all of its blocks. */
    static byte[] scans(int width, int height, int count) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeShort(0xffd8);
        byte[] ones = new byte[65];
        Arrays.fill(ones, 1, 65, (byte) 1);
        segment(out, 0xdb, ones);
        ByteBuffer frame = ByteBuffer.allocate(9).put((byte) 8).putShort((short) height);
        segment(
                out,
                0xc2,
                frame.putShort((short) width).put(new byte[] {1, 1, 0x11, 0}).array());
        byte[] table = new byte[18];
        table[0] = 0x10;
        table[1] = 1;
        table[17] = (byte) 0xe0; // ends the band in 2^14 blocks and as many more as the next 14 bits say
        segment(out, 0xc4, table);
        StringBuilder bits = new StringBuilder();
        for (int left = (width + 7) / 8 * ((height + 7) / 8); left > 0; left -= 32767) {
            int more = Math.max(0, Math.min(left, 32767) - 16384);
            bits.append('0').append(Integer.toBinaryString(1 << 14 | more).substring(1));
        }
        while (bits.length() % 8 != 0) {
            bits.append('1');
        }
        for (int scan = 0; scan < count; scan++) {
            segment(out, 0xda, new byte[] {1, 1, 0, 1, 63, 0});
            for (int at = 0; at < bits.length(); at += 8) {
                int value = Integer.parseInt(bits.substring(at, at + 8), 2);
                out.write(value);
                if (value == 0xff) {
                    out.write(0);
                }
            }
        }
        out.writeShort(0xffd9);
        return bytes.toByteArray();
    }

    private static void segment(DataOutputStream out, int marker, byte[] body) throws IOException {
        out.writeShort(0xff00 | marker);
        out.writeShort(2 + body.length);
        out.write(body);
    }

    private static int crc(byte[] bytes) {
        CRC32 crc = new CRC32();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static byte[] joined(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }
}
