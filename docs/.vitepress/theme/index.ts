// The default theme with the system's fonts: one request less, and text that shows at once.
import theme from "vitepress/theme-without-fonts";

export default theme;
