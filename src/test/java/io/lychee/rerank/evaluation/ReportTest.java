package io.lychee.rerank.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import java.awt.image.BufferedImage;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.zip.GZIPOutputStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {

    private static final String HOSTILE =
            "</span></style><script>alert(1)</script> {{movers}} $1 \\ \" onload='x' & <img src=http://a.b/c>\u0000\u202e";
    private static final Measures MEASURES = new Measures(List.of(5, 10), 1);
    private static final Bootstrap BOOTSTRAP = new Bootstrap(100, 1);

    @TempDir
    private Path folder;

    @Test
    void whateverATitleSaysIsText() throws IOException {
        String html = report(queries(HOSTILE), Map.of(), null).html();

        assertThat(html)
                .contains(
                        "&lt;script&gt;alert(1)&lt;/script&gt; {{movers}} $1 \\ &quot; onload=&#39;x&#39; &amp; &lt;img")
                .doesNotContain("<script", "<img", "\u0000", "onload='");
        loadsNothing(html);
    }

    @Test
    void groupNamesAndSourcesAreTextToo() throws IOException {
        List<JudgedQuery> queries = queries(HOSTILE);
        Report report = new Report(
                HOSTILE,
                MEASURES,
                Comparison.of(queries, MEASURES, BOOTSTRAP),
                Map.of(HOSTILE, Map.of(HOSTILE, Comparison.of(queries, MEASURES, BOOTSTRAP))),
                null,
                List.of(),
                Map.of(),
                null);
        assertThat(report.html()).doesNotContain("<script", "<img", "onload='");
    }

    @Test
    void showsPicturesAsSmallDataUris() throws IOException {
        Files.createDirectories(folder.resolve("in/img"));
        picture("in/img/a.png", 1200, 700);
        picture("secret.png", 50, 50);
        Files.writeString(folder.resolve("in/broken.png"), "no picture");
        Path input = Files.writeString(folder.resolve("in/lists.jsonl"), """
                no list
                {"request_id":"q-0","instruction":"<i>","query":{"text":"<b>query</b>","images":["file:img/a.png"]},\
                "candidates":[{"id":"1","text":"<u>","images":["file:img/a.png","file:../secret.png"]},\
                {"id":"2","images":["file:broken.png"]},{"id":"3","images":["https://a.b/c.png"]},\
                {"id":"4","images":["file:none.png"]},{"id":"5","images":["data:image/png;base64,AAAA"]}]}
                """);
        List<JudgedQuery> queries = queries(null);
        Map<String, CandidateList> lists = ListContents.read(input, Set.of("q-0"));
        assertThat(lists).containsOnlyKeys("q-0");
        Path packed = folder.resolve("in/lists.jsonl.gz");
        try (var stream = new GZIPOutputStream(Files.newOutputStream(packed))) {
            Files.copy(input, stream);
        }
        assertThat(ListContents.read(packed, Set.of("q-0"))).isEqualTo(lists);

        String html = report(queries, lists, folder.resolve("in")).html();

        // one picture, in the style sheet once
        assertThat(html.split("data:image/jpeg;base64,", -1)).hasSize(2);
        assertThat(html)
                .contains("&lt;b&gt;query&lt;/b&gt;", "&lt;u&gt;", "&lt;i&gt;")
                .doesNotContain("a.b/c.png");
        assertThat(html.length()).isLessThan(40_000);
        loadsNothing(html);
    }

    @Test
    void theListsThatMovedMostComeFirst() {
        List<Report.Moved> moved = Report.moved(many(), MEASURES);
        assertThat(moved).hasSizeLessThanOrEqualTo(10).isNotEmpty();
        for (int i = 1; i < moved.size() && moved.get(i).gain() > 0; i++) {
            assertThat(moved.get(i).gain()).isLessThanOrEqualTo(moved.get(i - 1).gain());
        }
    }

    private static void loadsNothing(String html) {
        assertThat(html)
                .startsWith("<!DOCTYPE html>")
                .contains("Content-Security-Policy", "default-src 'none'")
                .doesNotContain("src=\"", "href=", "@import", "url(h", "url(/")
                .doesNotContainPattern("url\\((?!data:image/jpeg;base64,)");
    }

    private static Report report(List<JudgedQuery> queries, Map<String, CandidateList> lists, Path images) {
        return new Report(
                "answers.jsonl",
                MEASURES,
                Comparison.of(queries, MEASURES, BOOTSTRAP),
                Map.of("group", Comparison.by("group", queries, MEASURES, BOOTSTRAP)),
                Calibration.of(queries, MEASURES),
                Report.moved(queries, MEASURES),
                lists,
                images);
    }

    /** One list whose last candidate comes first. */
    private List<JudgedQuery> queries(String title) throws IOException {
        List<RankedCandidate> all = new ArrayList<>();
        for (int i = 1; i <= 5; i++) {
            all.add(Samples.candidate("" + i, i, i / 10.0, i == 5 ? 1 : 0, title));
        }
        Map<String, String> group = Map.of("group", HOSTILE);
        String line = Samples.json(Samples.answer("q-0", ListStatus.COMPLETE, all, 5, group));
        return AnswerFile.read(Files.writeString(folder.resolve("answers.jsonl"), line))
                .queries();
    }

    private List<JudgedQuery> many() {
        try {
            Path file = Files.writeString(folder.resolve("many.jsonl"), Samples.lines(7, 40));
            return AnswerFile.read(file).queries();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void picture(String name, int width, int height) throws IOException {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_ARGB);
        Random random = new Random(3);
        for (int x = 0; x < width; x++) {
            image.setRGB(x, random.nextInt(height), random.nextInt());
        }
        File file = folder.resolve(name).toFile();
        assertThat(ImageIO.write(image, "png", file)).isTrue();
    }
}
